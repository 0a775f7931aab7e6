"""A study as one HTML page and pictures; see `write_report`. Importing this costs neither plotly
nor matplotlib.
"""

from nas.report.write import Written, write_comparison, write_report

__all__ = ["Written", "write_comparison", "write_report"]
