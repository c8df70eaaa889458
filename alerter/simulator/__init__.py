"""A Mimecast that runs on loopback: the demo's account, and the tests' server.

`scenario` says what an account holds through its day, `api` what Mimecast's documents demand of a request and how it is
answered, `server` is the HTTP around both. Never a client: nothing here is shared with `sources.mimecast`, so that one
cannot hide the other's mistakes.
"""
