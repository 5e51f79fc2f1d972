"""What things are: samples, history, feeds, questions and errors; standard library and msgspec only."""
