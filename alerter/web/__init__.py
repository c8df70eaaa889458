"""HTTP for people and Prometheus: the page, `/healthz` and `/metrics`.

`server` listens, `pages` answers, `families` and `exposition` write the metrics. Nothing outside is asked but by way of
`Sources`, so that a page never waits for long. Imported only where a port is configured: its libraries cost memory.
"""
