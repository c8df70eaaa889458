"""Explain: why an alert came, and why not."""

from collections.abc import Sequence

from alerter.core.selectors import shown
from alerter.core.series import HoldReason, Tenant
from alerter.queries.explain import explain as explained
from alerter.queries.explain_report import ExplainReport, load_page
from alerter.web.context import Screen, View, nearest
from alerter.web.request import HttpError
from alerter.web.times import parse_at

_MAX_NAMES = 500


def explain(view: View) -> Screen:
    """Return what every rule makes of a hold reason, or the form that asks for one."""
    tenant, reason, at_text = (view.request.first(name) for name in ("tenant", "reason", "at"))
    if not tenant and not view.is_many:
        tenant = next(iter(view.config.tenants))
    known: list[HoldReason] = []
    errors: list[str] = []
    stories: list[Sequence[str]] = []
    try:
        if tenant:
            name = view.tenant(tenant)
            known = [each.reason for each in view.reader.history.reasons(name)]
            if reason:
                stories = sections(report(view, name, known_reason(reason, known, name), at_text))
    except HttpError as error:
        hint = f" Did you mean {', '.join(error.nearest)}?" if error.nearest else ""
        errors = [f"{error.message}.{hint}"]
    values = {
        "tenant": tenant,
        "reason": reason,
        "at": at_text,
        "tenant_names": list(view.config.tenants)[:_MAX_NAMES],
        "reason_names": known[:_MAX_NAMES],
        "errors": errors,
        "stories": stories,
    }
    return Screen(
        template="explain.html", title="Explain", section="explain", values=values, refresh=False,
        status=400 if errors else 200,
    )  # fmt: skip


def known_reason(reason: str, known: Sequence[HoldReason], tenant: Tenant) -> HoldReason:
    """Return the hold reason that a text names, as it is or as it is shown.

    Raises:
        HttpError: There is none.
    """
    # What is pasted is a name as it is shown.
    found = reason if reason in known else next((each for each in known if shown(each) == reason), None)
    if found is None:
        raise HttpError(404, f"{tenant} has no hold reason {reason!r}", field="reason", nearest=nearest(reason, known))
    return HoldReason(found)


def report(view: View, tenant: Tenant, reason: HoldReason, at_text: str) -> ExplainReport:
    """Return the explanation of a hold reason as the command has it.

    Raises:
        HttpError: The time is none.
    """
    at = parse_at(at_text, "at", view.zone, now=view.now) if at_text else view.now
    found = explained(view.reader, view.alerting, tenant, reason, rule=None, at=at, now=view.now)
    return load_page(view.reader, view.config, found)


def sections(page: ExplainReport) -> list[Sequence[str]]:
    """Return the lines of an explanation in paragraphs."""
    paragraphs: list[list[str]] = [[]]
    for line in page.lines():
        if line:
            paragraphs[-1].append(line.strip())
        else:
            paragraphs.append([])
    return [each for each in paragraphs if each]
