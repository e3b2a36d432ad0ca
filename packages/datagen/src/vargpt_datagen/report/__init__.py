"""`datagen report`: what a build is, on one page that opens anywhere."""

from vargpt_datagen.report.page import make_report

__all__ = ["make_report"]
