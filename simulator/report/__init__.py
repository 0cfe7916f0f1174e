"""Reports: one self-contained HTML page with plots drawn as inline SVG."""

from simulator.report.page import page, write_picture, write_report

__all__ = ["page", "write_picture", "write_report"]
