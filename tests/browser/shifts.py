"""What has moved on a page by itself: `SHIFTS` before its scripts, then look at `shifts` `AFTER_DRAWING`."""

from typing import Final

SHIFTS: Final = """
    window.shifts = [];
    new PerformanceObserver((list) => shifts.push(...list.getEntries().map(({ value }) => value)))
        .observe({ type: "layout-shift", buffered: true });
"""
AFTER_DRAWING: Final = "new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 50)))"
