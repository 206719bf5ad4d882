"""Several people at one browser: what one key was told, the next does not see."""

from __future__ import annotations

import pytest
from serving import SECRET_QUESTION, Serve
from test_server_page_browser import chromium, visit

__all__ = ["chromium", "visit"]

pytestmark = pytest.mark.browser


def enter(page, secret: str) -> None:
    page.get_by_label("Access key").fill(secret)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")


def asked(page, question: str) -> None:
    page.get_by_role("textbox").first.fill(question)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("how", ["revoked", "signed out"])
def test_the_next_key_finds_no_answer_of_the_one_before(visit, serve: Serve, how: str) -> None:
    anna = serve.key("anna", "reader", ["staff"])["Authorization"].removeprefix("Bearer ")
    ben = serve.key("ben")["Authorization"].removeprefix("Bearer ")
    page = visit()(ready="dialog[open]")
    enter(page, anna)
    asked(page, SECRET_QUESTION)
    page.get_by_text("90,000").first.wait_for()
    page.locator(".turn .foot").first.wait_for()  # the answer is whole: the next question is taken
    if how == "revoked":
        serve.revoke("anna")
        asked(page, SECRET_QUESTION)
    else:
        page.goto(page.url.partition("#")[0] + "#/settings")
        page.get_by_role("button", name="Sign out").click()
    page.locator("dialog[open]").wait_for()
    enter(page, ben)
    page.goto(page.url.partition("#")[0] + "#/ask")
    page.get_by_role("textbox").first.wait_for()
    assert page.get_by_text("90,000").count() == 0
    assert "90,000" not in page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
