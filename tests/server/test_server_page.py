"""The page's files: what is served, how strictly, how large, and that its texts and modules fit together."""

from __future__ import annotations

import gzip
import json
import re
from itertools import product

import pytest
from serving import Serve

from loresmith.server import page

FILES = page.files()
SCRIPTS = {name: file.content.decode() for name, file in FILES.items() if name.endswith(".js")}
STYLES = {name: file.content.decode() for name, file in FILES.items() if name.endswith(".css")}
TEXTS = {
    name.removeprefix("texts/").removesuffix(".json"): json.loads(file.content)
    for name, file in FILES.items()
    if name.startswith("texts/")
}
INDEX = FILES["index.html"].content.decode()


# --- serving ------------------------------------------------------------------------------------------


def test_the_page_is_served_with_a_policy_that_allows_nothing_from_elsewhere(serve: Serve):
    answer = serve().get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_comes_whole_packed_or_not(serve: Serve, name):
    client = serve()
    plain = client.get(f"/page/{name}", headers={"accept-encoding": "identity"})
    packed = client.get(f"/page/{name}", headers={"accept-encoding": "gzip"})
    assert plain.status_code == packed.status_code == 200
    assert plain.content == packed.content == FILES[name].content
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-security-policy" in plain.headers


def test_a_browser_that_has_a_file_is_not_sent_it_again(serve: Serve):
    client = serve()
    tag = client.get("/page/js/main.js").headers["etag"]
    again = client.get("/page/js/main.js", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/page/__init__.py",
        "/page/js/",
        "/page/js/nothing.js",
        "/page/../access.py",
        "/page/%2e%2e/access.py",
        "/page/..%2faccess.py",
        "/page//etc/passwd",
        "/page/js/main.js%00.css",
    ],
)
def test_nothing_but_the_files_of_the_page_is_served(serve: Serve, path):
    answer = serve().get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"]


def test_the_page_itself_needs_no_key_and_tells_nothing_of_the_workspace(serve: Serve):
    serve.key("anna")
    answer = serve().get("/")
    assert answer.status_code == 200
    assert answer.content == FILES["index.html"].content


# --- size and origin ----------------------------------------------------------------------------------


def test_all_of_it_is_small():
    assert sum(len(gzip.compress(file.content)) for file in FILES.values()) < 100_000


def test_what_the_first_view_needs_is_smaller_still():
    needed = {"index.html", "texts/en.json", "js/early.js", "js/main.js", *STYLES}
    waiting = ["js/main.js", "js/ask.js"]
    while waiting:
        for found in imports(waiting.pop()):
            if found not in needed:
                needed.add(found)
                waiting.append(found)
    assert sum(len(FILES[name].packed) for name in needed) < 45_000


def imports(name: str) -> list[str]:
    """The modules that a module imports at once, as files of the page."""
    return [f"js/{found}" for found in re.findall(r'from "\./([\w.]+)"', SCRIPTS[name])]


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_file_names_another_host(name):
    found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", FILES[name].content.decode())
    known = {"http://www.w3.org"}  # names of SVG, never asked for
    assert {host for host in found if host.startswith("http")} <= known


def test_the_policy_is_kept_to_no_inline_script_style_or_listener():
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=", INDEX)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_nothing_from_a_string_becomes_html_or_code(name):
    wrong = "innerHTML|outerHTML|insertAdjacentHTML|setHTML|document.write|DOMParser|Fragment\\(|srcdoc|"
    assert not re.search(wrong + r"\beval\(|new Function", SCRIPTS[name])


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_modules_and_their_names_are_there(name):
    for names, target in re.findall(r'import \{([^}]+)\} from "\./([\w.]+)"', SCRIPTS[name]):
        exported = SCRIPTS[f"js/{target}"]
        for one in names.split(","):
            wanted = one.split(" as ")[0].strip()
            pattern = rf"export (?:async )?(?:const|let|class|function\*?) {wanted}\b"
            assert re.search(pattern, exported), f"{wanted} of {target}"
    for target in re.findall(r'import\("\./([\w.]+)"\)', SCRIPTS[name]):
        assert f"js/{target}" in SCRIPTS


def test_everything_that_the_page_names_is_there():
    for name in re.findall(r'(?:href|src)="/page/([^"]+)"', INDEX):
        assert name in FILES


# --- texts --------------------------------------------------------------------------------------------


def used() -> tuple[set[str], list[str]]:
    """Names of texts that the modules ask for, and patterns of those that are put together."""
    whole: set[str] = set()
    patterns: list[str] = []
    for text in SCRIPTS.values():
        whole |= set(re.findall(r'\bt\("([^"]+)"', text))
        patterns += [re.sub(r"\$\{[^}]*\}", "\0", name) for name in re.findall(r"\bt\(`([^`]+)`", text)]
        patterns += [f"{prefix}.\0" for prefix in re.findall(r'\bword\("([^"]+)"', text)]
    return whole, ["^" + re.escape(p).replace("\0", ".+") + "$" for p in set(patterns) if p != "\0.\0"]


def test_every_text_that_is_asked_for_is_there_and_none_is_left_over():
    whole, patterns = used()
    conditional = set(re.findall(r'[?:] "([a-z]+\.[a-z._]+)"', "".join(SCRIPTS.values())))
    texts = set(TEXTS["en"])
    assert whole <= texts
    left = {name for name in texts - whole - conditional if not any(re.match(p, name) for p in patterns)}
    assert not left


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_every_language_has_every_text_with_the_same_places(language):
    english = TEXTS["en"]
    assert TEXTS[language].keys() == english.keys()
    for name, text in TEXTS[language].items():
        assert places(text) == places(english[name]), name
        assert isinstance(text, str) == isinstance(english[name], str), name
        assert all(part.strip() for part in parts(text)), name


def parts(text: str | dict[str, str]) -> list[str]:
    return [text] if isinstance(text, str) else list(text.values())


def places(text: str | dict[str, str]) -> set[str]:
    return {place for part in parts(text) for place in re.findall(r"\{(\w+)\}", part)}


def test_the_languages_that_are_offered_are_those_that_are_there():
    offered = re.search(r"LANGUAGES = \{([^}]+)\}", SCRIPTS["js/texts.js"])
    assert offered
    assert set(re.findall(r"(\w+):", offered[1])) == set(TEXTS)


# --- contrast -----------------------------------------------------------------------------------------

WRITING = ("ink", "soft", "link", "good", "bad", "warn", "base", "rag", "tuned", "both")
GROUNDS = ("paper", "card", "tint")


def themes() -> dict[str, dict[str, str]]:
    base = STYLES["css/base.css"]
    light = re.search(r":root \{(.*?)\n\}", base, re.DOTALL)
    dark = re.search(r':root\[data-theme="dark"\] \{(.*?)\n\}', base, re.DOTALL)
    system = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\n  \}', base, re.DOTALL)
    assert light
    assert dark
    assert system
    colours = {
        name: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", found[1]))
        for name, found in (("light", light), ("dark", dark), ("system", system))
    }
    assert colours["dark"] == colours["system"]
    return {name: colours[name] for name in ("light", "dark")}


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_writing_has_the_contrast_of_aa(theme):
    colours = themes()[theme]
    pairs = [
        *product(WRITING, GROUNDS),
        ("bad", "rose"),
        ("warn", "warm"),
        ("ink", "rose"),
        ("ink", "mark"),
        ("on", "link"),
        ("on", "bad"),
        ("on", "good"),
        ("paper", "ink"),
    ]
    poor = {
        (a, b): round(contrast(colours[a], colours[b]), 2)
        for a, b in pairs
        if contrast(colours[a], colours[b]) < 4.5
    }
    assert not poor


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_edges_of_controls_can_be_seen(theme):
    colours = themes()[theme]
    assert min(contrast(colours["edge"], colours[ground]) for ground in ("paper", "card")) >= 3
