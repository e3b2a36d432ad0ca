"""The report: the paper's tables with ours beside, as Markdown, JSON and one page."""
