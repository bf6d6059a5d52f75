"""The results of a comparison as a Markdown page and as an SVG chart."""

from typing import Any


def page(results: dict[str, Any]) -> str:
    """A self-contained page: the machine, the work, the numbers, the ratios."""
    work, subjects = results["work"], results["subjects"]
    reference, decode = subjects["reference"], subjects["decode"]
    lines = [
        "# clip-prep against the alternatives",
        "",
        f"{work['images']:,} images of {work['mean_bytes'] / 1000:,.0f} kB on average, "
        f"{work['n_px']} px, float32 on disk; whole processes, including start-up; medians of "
        f"{work['repeats']} interleaved runs.",
        "",
        *(f"- {name}: {text}" for name, text in results["machine"].items()),
        "",
        "| | images/s | vs. reference | CPU ms per image | vs. decoding alone "
        "| peak MB per process | largest difference | values that differ |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in subjects.items():
        off = one.get("difference")
        shown = f"{off['largest']:.3g} | {100 * off['share']:.2f} %" if off else "- | -"
        speedup = one["images_per_second"] / reference["images_per_second"]
        lines.append(
            f"| {name} | {one['images_per_second']:,.0f} | {speedup:.2f}x "
            f"| {one['cpu_ms_per_image']:.2f} | {one['cpu'] / decode['cpu']:.2f}x "
            f"| {one['peak'] / 1e6:,.0f} | {shown} |"
        )
    lines += ["", "| stage | ms per image (median) |", "| --- | --- |"]
    lines += [f"| {stage} | {ms:.3f} |" for stage, ms in results["stages_ms"].items()]
    return "\n".join(lines) + "\n"


def chart(results: dict[str, Any]) -> str:
    """Horizontal bars of images per second, with the exact ones in a different colour."""
    subjects = {n: s for n, s in results["subjects"].items() if n != "decode"}
    fastest = max(one["images_per_second"] for one in subjects.values())
    bars = []
    for row, (name, one) in enumerate(subjects.items()):
        y = 20 + 34 * row
        width = 360 * one["images_per_second"] / fastest
        exact = name == "reference" or one["difference"]["share"] == 0
        note = "" if exact else " (not exact)"
        bars.append(
            f'<text x="170" y="{y + 16}" text-anchor="end">{name}{note}</text>'
            f'<rect x="180" y="{y}" width="{width:.0f}" height="22" rx="2" '
            f'fill="{"#2f7ed8" if exact else "#9aa5b1"}"/>'
            f'<text x="{190 + width:.0f}" y="{y + 16}">{one["images_per_second"]:,.0f}/s</text>'
        )
    height = 30 + 34 * len(bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{height}" '
        f'font-family="sans-serif" font-size="13" fill="#555">{"".join(bars)}</svg>\n'
    )
