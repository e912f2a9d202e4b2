from tests.server.running import Running


def test_the_playground_loads_nothing_from_elsewhere(server: Running) -> None:
    page = server.get("/")
    assert "Quiver playground" in page.text
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self';")


def test_the_playgrounds_files(server: Running) -> None:
    script = server.get("/playground/main.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert server.get("/playground/..%2fkeys.py").status_code == 404
