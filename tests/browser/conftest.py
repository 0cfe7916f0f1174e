"""Fixtures for the application in a real Chromium; skipped, by name, where there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.tab import CHROMIUM, NO_CHROMIUM, launch
from tests.web.conftest import desk, face, site_key

__all__ = ["browser", "desk", "face", "site_key"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()
