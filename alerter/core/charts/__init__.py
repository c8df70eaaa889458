"""Charts: one series over a span of time as values, as one line of text, and as SVG.

`figure` collects what a chart shows. `sparkline` and `svg` draw it, for commands, messages and the page alike. No I/O.
"""
