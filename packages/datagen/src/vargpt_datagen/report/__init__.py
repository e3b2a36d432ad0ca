"""`datagen report`: what a build is, on one page that opens anywhere."""

from vargpt_datagen.report.page import expect_image_root, make_report

__all__ = ["expect_image_root", "make_report"]
