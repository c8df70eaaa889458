"""Mimecast's hold summary: both authentications in, a `Snapshot` or a `SourceError` out.

`transport` sends one request and beats every slow answer, `lines` keeps connections for the next one, `auth` makes
headers out of keys, `responses` reads what came back, `client` puts them in order: token, request, response, at most
X
Nothing outside this package knows a header or a field of Mimecast's API.
"""

from alerter.sources.mimecast.auth import OAuthKeys, SigningKeys
from alerter.sources.mimecast.client import REGIONS_V1, REGIONS_V2, FetchReport, Limits, MimecastSource
from alerter.sources.mimecast.lines import Lines
from alerter.sources.mimecast.rate_limits import RateLimit

__all__ = [
    "REGIONS_V1",
    "REGIONS_V2",
    "FetchReport",
    "Limits",
    "Lines",
    "MimecastSource",
    "OAuthKeys",
    "RateLimit",
    "SigningKeys",
]
