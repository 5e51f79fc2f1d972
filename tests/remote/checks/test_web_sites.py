"""Sites are read from configurations of nginx, Apache and Caddy, and nothing else of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.remote.checks import web_sites
from tests.remote.checks.web_tree import put, without_programs

MAIN = """
user www-data;
http {
  ssl_certificate /etc/ssl/default.pem;
  upstream app { server 127.0.0.1:3000; }
  map $x $y { default "}"; "~*;" '{'; }
  include /etc/nginx/sites-enabled/*; # and a comment; { }
  include missing/*;
}
stream { server { listen 8443 ssl; ssl_certificate stream.pem; } }
"""
SITE = """
server {
  listen 80; listen [::]:80; server_name gpu.example.org www.example.org;
  return 301 https://$host$request_uri;
}
server {
  listen 443 ssl http2; listen [::]:443 ssl; server_name gpu.example.org "www.example.org" ~^x;
  ssl_certificate /etc/letsencrypt/live/gpu.example.org/fullchain.pem;
  ssl_certificate /etc/letsencrypt/live/rsa/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/gpu.example.org/privkey.pem;
  location / { proxy_pass http://app; proxy_set_header Authorization "Bearer s3cret"; }
}
server {
  listen unix:/run/x.sock; listen 127.0.0.1:443; server_name inner.example.org; ssl_certificate data:$x;
}
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    without_programs(monkeypatch, tmp_path)
    return tmp_path


def test_the_sites_of_nginx_are_read_with_what_it_includes(tree: Path) -> None:
    put(tree, "/etc/nginx/nginx.conf", MAIN)
    put(tree, "/etc/nginx/sites-enabled/gpu", SITE)
    read = web_sites.nginx("/etc/nginx/nginx.conf")
    found = {
        (site["port"], tuple(site["names"]), site["secure"]): site["certificates"] for site in read["sites"]
    }
    names = ("gpu.example.org", "www.example.org")
    assert found == {
        (80, names, False): ["/etc/ssl/default.pem"],
        (443, (*names, "~^x"), True): [
            "/etc/letsencrypt/live/gpu.example.org/fullchain.pem",
            "/etc/letsencrypt/live/rsa/fullchain.pem",
        ],
        (443, ("inner.example.org",), True): ["/etc/ssl/default.pem"],
        (8443, (), True): ["/etc/nginx/stream.pem"],
    }
    assert read["looked_up"] == []
    assert "s3cret" not in json.dumps(read)


def test_a_configuration_that_includes_itself_ends(tree: Path) -> None:
    put(tree, "/etc/nginx/nginx.conf", "include /etc/nginx/*.conf; http { server { listen 81; } }")
    assert {site["port"] for site in web_sites.nginx("/etc/nginx/nginx.conf")["sites"]} == {81}


@pytest.mark.parametrize(
    ("directive", "hosts"),
    [
        ("proxy_pass http://127.0.0.1:8888;", []),
        ("proxy_pass http://localhost/x;", []),
        ("proxy_pass http://unix:/run/x.sock;", []),
        ("proxy_pass http://$backend;", []),
        ("proxy_pass http://known;", []),
        ("grpc_pass grpc://api.example.org:443;", ["api.example.org"]),
        ("ssl_stapling on;", ["ocsp."]),
    ],
)
def test_hosts_that_a_test_of_nginx_would_look_up_are_known(
    tree: Path, directive: str, hosts: list[str]
) -> None:
    put(tree, "/etc/hosts", "10.0.0.9 known\n")
    put(tree, "/etc/nginx/nginx.conf", f"http {{ server {{ location / {{ {directive} }} }} }}")
    assert web_sites.nginx("/etc/nginx/nginx.conf")["looked_up"] == hosts


@given(st.text(alphabet="{};\"'\\# \n$serverhttplisten443", max_size=300))
def test_any_configuration_of_nginx_is_read_to_its_end(text: str) -> None:
    budget = web_sites.Budget()
    budget.text = lambda path: text  # type: ignore[method-assign]
    for words in web_sites.nginx_directives("/x", "/", budget, 0):
        assert words[-1] in ";{}"


def test_the_sites_of_apache_are_read(tree: Path) -> None:
    put(tree, "/etc/apache2/apache2.conf", "# x\nIncludeOptional sites-enabled/*.conf\n")
    put(
        tree,
        "/etc/apache2/sites-enabled/a.conf",
        "<VirtualHost *:80>\n ServerName gpu.example.org\n Redirect / https://gpu.example.org/\n</VirtualHost>\n"
        "<IfModule mod_ssl.c>\n<VirtualHost *:443 [::]:443>\n  ServerName https://gpu.example.org:443\n"
        "  ServerAlias a.example.org \\\n   b.example.org\n  SSLEngine on\n"
        '  SSLCertificateFile "/etc/ssl/a b.pem"\n'
        "</VirtualHost>\n</IfModule>\n",
    )
    first, second = web_sites.apache("/etc/apache2/apache2.conf")["sites"]
    assert (first["port"], first["secure"], first["names"]) == (80, False, ["gpu.example.org"])
    assert (second["port"], second["secure"]) == (443, True)
    assert second["names"] == ["gpu.example.org", "a.example.org", "b.example.org"]
    assert second["certificates"] == ["/etc/ssl/a b.pem"]


def test_the_sites_of_a_caddyfile_are_read(tree: Path) -> None:
    put(
        tree,
        "/etc/caddy/Caddyfile",
        "{\n  email a@example.org\n}\n(snippet) {\n header x\n}\ngpu.example.org, www.example.org {\n"
        "  reverse_proxy localhost:8888 {\n  }\n  tls /etc/ssl/c.pem /etc/ssl/c.key\n}\n"
        "http://plain.example.org {\n}\n"
        ":8080 {\n}\n",
    )
    found = [
        (site["names"], site["port"], site["secure"])
        for site in web_sites.caddy("/etc/caddy/Caddyfile")["sites"]
    ]
    assert found == [
        (["gpu.example.org"], 443, True),
        (["www.example.org"], 443, True),
        (["plain.example.org"], 80, False),
        ([], 8080, False),
    ]
