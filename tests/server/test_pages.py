"""Scripts and pages: what Markdown may become, and what a customer's name may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.server.pages import page, render, script

HOSTILE = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        "[x]: javascript:alert(1)\n\n[x]",
        "![x](javascript:alert(1))",
        '[x](https://a.example/"onmouseover="alert(1))',
        "`<b>`\n\n```html\n<script>x</script>\n```",
    ],
)
def test_markdown_never_becomes_a_script(text: str) -> None:
    made = render(text).lower()
    assert "<script" not in made
    assert "<img src=x" not in made
    assert 'href="javascript' not in made
    assert 'href="data' not in made
    assert 'href="vbscript' not in made
    assert 'src="javascript' not in made
    assert '"onmouseover' not in made


def test_links_that_are_fine_stay() -> None:
    for link in ("https://example.org/a", "mailto:a@example.org", "payments", "payments#card"):
        assert f'href="{link}"' in render(f"[x]({link})")


def test_a_customers_values_are_text(tmp_path: Path) -> None:
    path = tmp_path / "script.md"
    path.write_text("## Hello {{ name }} {required}\n{{name}} owes **{{ balance }}**, {{ no }}.\n")
    values = {"name": HOSTILE, "balance": "[x](javascript:alert(1)) **_"}
    (step,) = script(path, values)
    assert "<script" not in step.html
    assert "&lt;script&gt;" in step.html
    assert "<strong>[x](javascript:alert(1)) **_</strong>" in step.html, "no markup, no link"
    assert step.required
    assert step.title == f"Hello {HOSTILE}", "text for the screen, which draws it as text"


def test_steps_and_their_marks(tmp_path: Path) -> None:
    path = tmp_path / "script.md"
    path.write_text(
        "Before.\n\n## One {required} {verify}\nA\n\n```\n## not a step\n```\n\n## Two ##\nB\n"
    )
    steps = script(path, {})
    assert [(s.id, s.title, s.required, s.verify) for s in steps] == [
        ("s1", "", False, False),
        ("s2", "One", True, True),
        ("s3", "Two", False, False),
    ]
    assert "## not a step" in steps[1].html
    path.write_text("## New\n")
    assert [s.title for s in script(path, {})] == ["New"], "a changed file is read again"


def test_a_pages_name_leads_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (tmp_path / "secret.md").write_text("# Secret")
    (folder / "pay.md").write_text("Pay.")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    found = page(folder, "pay")
    assert found is not None
    assert (found.page, found.title) == ("pay", "pay")
    for name in ("../secret", "..", "link", "pay.md", "/etc/passwd", "", "pay\x00", "p" * 300):
        assert page(folder, name) is None
