"""The panel; the only room that imports Textual."""
