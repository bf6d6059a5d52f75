"""A page in a real browser: what it measures there."""

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.command import SECONDS

_NAMES = ("chromium", "chromium-browser", "google-chrome")

_HARNESS = """<!DOCTYPE html>
<meta charset="utf-8">
<pre></pre>
<script>
const text = new TextDecoder().decode(Uint8Array.from(atob("PAGE"), c => c.charCodeAt(0)));

function rgb(color) {
  const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number);
  return a === 0 ? null : [r, g, b];
}

function luminance(color) {
  const [r, g, b] = color.map(c => c / 255).map(
    c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(view, element) {
  const style = view.getComputedStyle(element);
  const front = rgb(element.closest("svg") ? style.fill : style.color);
  let back = null;
  for (let at = element; at && !back; at = at.parentElement) {
    back = rgb(view.getComputedStyle(at).backgroundColor);
  }
  const [dark, light] = [luminance(front), luminance(back)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function measured(frame) {
  const view = frame.contentWindow, page = frame.contentDocument;
  page.querySelectorAll("details").forEach(each => { each.open = true; });
  const elements = [...page.body.querySelectorAll("*")];
  const texts = elements.filter(
    e => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim()));
  return {
    width: page.documentElement.clientWidth,
    scroll_width: page.documentElement.scrollWidth,
    cut: elements.filter(e => !e.closest("svg") && e.scrollWidth > e.clientWidth + 1
        && view.getComputedStyle(e).display !== "inline").map(e => e.outerHTML.slice(0, 200)),
    image_widths: [...page.images].map(image => image.naturalWidth),
    background: view.getComputedStyle(page.body).backgroundColor,
    bar: view.getComputedStyle(page.querySelector(".chart rect") || page.body).fill,
    least_contrast: Math.min(...texts.map(e => contrast(view, e))),
    chart_text: Math.min(...[...page.querySelectorAll(".chart text")].map(
        e => 12 * e.getScreenCTM().a).filter(size => size > 0), 99),
  };
}

const loads = FRAMES.map(([width, scheme]) => new Promise(done => {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 2000px; border: 0; color-scheme: ${scheme}`;
  frame.srcdoc = text;
  frame.onload = () => done(frame);
  document.body.append(frame);
}));
Promise.all(loads).then(frames => {
  document.querySelector("pre").textContent = JSON.stringify(frames.map(measured));
});
</script>
"""


class Measured(NamedTuple):
    """A page with all its details open, as a browser lays it out."""

    width: int
    scroll_width: int
    cut: list[str]
    """The begins of elements whose content is wider than they are."""
    image_widths: list[int]
    """Of each image's file; 0 if it cannot be shown."""
    background: str
    bar: str
    """The colour of a bar of a chart."""
    least_contrast: float
    """Of any text with what is behind it."""
    chart_text: float
    """Pixels of the letters of the smallest chart."""


def browser() -> str:
    """A Chromium; the test is skipped if there is none."""
    for path in map(shutil.which, _NAMES):
        if path:
            return path
    pytest.skip("there is no Chromium")


def measure(page: Path, *frames: tuple[int, str]) -> list[Measured]:
    """Lay `page` out once for each width and colour scheme, unchanged, in frames."""
    encoded = base64.b64encode(page.read_bytes()).decode()
    harness = _HARNESS.replace("PAGE", encoded).replace("FRAMES", json.dumps(frames))
    path = page.with_suffix(".harness.html")
    path.write_text(harness)
    dom = run(page.parent, "--dump-dom", path)
    found = re.search("<pre>(.+?)</pre>", dom, re.DOTALL)
    assert found, dom[-2000:]
    return [Measured(**each) for each in json.loads(html.unescape(found[1]))]


def run(home: Path, *arguments: str | Path) -> str:
    """What a headless browser prints; it may take nothing from a network."""
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    command = (browser(), "--headless", "--no-sandbox", "--disable-gpu", offline)
    done = subprocess.run(
        [
            *command,
            f"--user-data-dir={home / 'browser'}",
            "--virtual-time-budget=10000",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    return done.stdout
