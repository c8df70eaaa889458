"""Which series a rule looks at, and what several conditions say together."""

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from timeit import timeit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alerter.core.conditions import ANY_COUNT, FOREVER, Baseline, Condition, InputKind, Rise, Threshold, Verdict
from alerter.core.rules import Lookbacks, Per, Severity, evaluate, select_series
from alerter.core.selectors import Selector, build_selector, idle_globs, literal_glob, pasteable_glob, shown
from alerter.core.series import ALL_REASONS, ALL_TENANTS, OTHERS_LOOKBACK, HoldReason, Sample, Span
from tests.builders import NOON, a_growth, a_level, a_no_data, a_rule, a_tenant, at, series, span

#: What administrators and senders could call a policy.
HOSTILE_NAMES: list[str] = json.loads((Path(__file__).parents[1] / "names.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("globs", "name", "expected"),
    [
        pytest.param([], "Spam", True, id="no glob selects everything"),
        pytest.param(["*"], "Spam", True, id="a star selects everything"),
        pytest.param(["Spam"], "Spam", True, id="a name selects itself"),
        pytest.param(["Spam"], "Spam Policy", False, id="a name without a star is the whole name"),
        pytest.param(["*impersonation*"], "Anti-IMPERSONATION Policy", True, id="case does not matter"),
        pytest.param(
            ["*IMPERSONATION*"], "anti-impersonation policy", True, id="case does not matter in the glob either"
        ),
        pytest.param(["Spam*", "Gray*"], "Graymail", True, id="any glob selects"),
        pytest.param(["*", "!Graymail*"], "Graymail Policy", False, id="an excluding glob wins"),
        pytest.param(["!Graymail*", "Graymail*"], "Graymail", False, id="an excluding glob wins wherever it stands"),
        pytest.param(["!Graymail*"], "Spam", True, id="excluding alone selects the rest"),
        pytest.param(["!Graymail*"], "Graymail", False, id="excluding alone excludes"),
        pytest.param(["!GRAY*"], "graymail", False, id="case does not matter to exclude"),
        pytest.param(["Sp?m"], "Spam", True, id="a question mark is one character"),
        pytest.param(["Sp?m"], "Spm", False, id="a question mark is not none"),
        pytest.param(["[EXT] *"], "[ext] Invoices", True, id="a bracket is an ordinary character"),
        pytest.param(["Policy [AB]"], "Policy b", False, id="brackets are no choice of characters"),
        pytest.param([r"50\% off\*"], "50% OFF*", True, id="a backslash takes the next character as it is"),
        pytest.param([r"50% off\*"], "50% off today", False, id="an escaped star is a star"),
        pytest.param([r"a\?c*"], "a?cd", True, id="an escaped character beside a wildcard"),
        pytest.param([r"a\?c*"], "abcd", False, id="an escaped question mark beside a wildcard"),
        pytest.param([r"\!*"], "!Important", True, id="an escaped exclamation mark does not exclude"),
        pytest.param([r"\!*"], "Important", False, id="an escaped exclamation mark is one"),
        pytest.param([r"!\!*"], "!Important", False, id="an exclamation mark can be excluded"),
        pytest.param(["C:\\"], "c:\\", True, id="a backslash at the end is a backslash"),
        pytest.param([r"a\b"], r"a\b", True, id="a name with a backslash selects itself as it is written"),
        pytest.param(["!Important"], "!Important", True, id="a name with an exclamation mark selects itself"),
        pytest.param(["!Important", "Spam"], "!Important", True, id="also beside others"),
        pytest.param(["**a**b*"], "xaxbx", True, id="stars in a row are one"),
        pytest.param(["*a*b"], "xbxa", False, id="what stands between stars has an order"),
        pytest.param(["one\N{REPLACEMENT CHARACTER}two"], "one\ntwo", True, id="as shown, a line break is any such"),
        pytest.param(["*\N{REPLACEMENT CHARACTER}two"], "one\ntwo", True, id="the same beside a wildcard"),
        pytest.param(["*", "!one\N{REPLACEMENT CHARACTER}*"], "one\ntwo", False, id="the same where it excludes"),
        pytest.param(["one\N{REPLACEMENT CHARACTER}two"], "one two", False, id="a blank can be shown"),
        pytest.param(["*straße*"], "HAUPTSTRASSE 5", True, id="case folds beyond ASCII"),
        pytest.param(["*ΑΝΕΠΙΘΎΜΗΤΑ*"], "ανεπιθύμητα", True, id="case folds in Greek"),
        pytest.param(["迷惑*"], "迷惑メール", True, id="scripts without case"),
        pytest.param(["a.b"], "axb", False, id="a dot is a dot"),
        pytest.param(["*"], "two\nlines", True, id="a line break is a character"),
        pytest.param([""], "", True, id="an empty glob is an empty name"),
    ],
)
def test_a_selector_selects_by_globs(*, globs: list[str], name: str, expected: bool) -> None:
    """Globs are case-insensitive, and `!glob` excludes."""
    assert Selector(tuple(globs)).matches(name) is expected


def test_a_selector_among_some_names_selects_no_other() -> None:
    """Labels narrow down what globs select: both must agree."""
    gold = frozenset({"acme", "globex"})

    assert [name for name in ("acme", "globex", "initech") if Selector(among=gold).matches(name)] == ["acme", "globex"]
    assert [name for name in ("acme", "globex", "axme") if Selector(("a*",), among=gold).matches(name)] == ["acme"]
    assert not Selector(among=frozenset()).matches("acme")


#: What has a meaning in globs or for commands, and some of what has none.
_ODD = "ab*?!\\[ \n-\N{REPLACEMENT CHARACTER}"
_PLAIN = st.text(st.characters(exclude_characters=_ODD[2:], exclude_categories=["Cs"]), max_size=12)
_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.text(
    _ODD, min_size=1, max_size=6
)


@given(name=_PLAIN, other=_PLAIN)
def test_a_plain_name_selects_exactly_itself(name: str, other: str) -> None:
    """A name without wildcards is compared as a whole, but for its case."""
    assert Selector((name,)).matches(other) is (name.casefold() == other.casefold())
    assert Selector((f"!{name}",)).matches(other) is (name.casefold() != other.casefold())
    assert Selector((f"{name}*",)).matches(name + other)


@example(name="!*", other="!")
@example(name="!?*", other="!a")
@given(name=_NAMES, other=_NAMES)
def test_a_name_selects_itself_and_its_glob_nothing_else(name: str, other: str) -> None:
    """Typed as it is shown, whatever is in it; and escaped, nothing but it: only what is written like that, too."""
    glob = literal_glob(name)

    assert Selector((name,)).matches(name)
    assert Selector((shown(name),)).matches(name)
    assert Selector((glob,)).matches(name)
    assert Selector((glob,)).matches(other) is (other.casefold() in {name.casefold(), glob.casefold()})
    assert Selector((pasteable_glob(name),)).matches(name)
    assert pasteable_glob(name).isprintable()


@given(names=st.lists(_NAMES.filter(lambda name: name != "*"), min_size=1, max_size=6, unique_by=str.casefold))
def test_of_the_names_that_there_are_one_that_is_typed_is_selected_alone(names: list[str]) -> None:
    """Where the names are known, one of them is no glob, as it is and as it is shown."""
    escapes = {literal_glob(name).casefold() for name in names}
    for name in names:
        found = list(filter(build_selector((name,), names).matches, names))

        assert name in found
        assert {each for each in found if shown(each).casefold() not in escapes} <= {name}


def test_what_is_typed_is_a_glob_where_no_name_is_like_it() -> None:
    """And a lone star is everything, whatever is called so."""
    known = ["*", "Spam*", "Spam 1", "one\ntwo"]

    assert list(filter(build_selector(("*",), known).matches, known)) == known
    assert list(filter(build_selector(("spam*",), known).matches, known)) == ["Spam*", "Spam 1"]
    assert list(filter(build_selector(("Spam*",), known).matches, known)) == ["Spam*"]
    assert list(filter(build_selector(("one\N{REPLACEMENT CHARACTER}two",), known).matches, known)) == ["one\ntwo"]


def test_globs_that_match_none_of_some_names_are_found() -> None:
    """Those that exclude among them; what is written like a name matches it."""
    known = ["Spam", "!Important", "one\ntwo"]

    assert idle_globs(["spam", "S*", "!spam", "!S?am", "!Important", "one\N{REPLACEMENT CHARACTER}two"], known) == []
    assert idle_globs(["Spam2", "!Graymail*", "?", r"\*"], known) == ["Spam2", "!Graymail*", "?", r"\*"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_each_hostile_name_is_selected_alone(name: str) -> None:
    """Of all the names that hurt, one that is typed, pasted or escaped selects itself and no other.

    In a configuration one that begins with `!` excludes as well, and has to be escaped; commands know what it is.
    """
    assert name in filter(Selector((name,)).matches, HOSTILE_NAMES)
    as_written = (name, shown(name)) if not name.startswith("!") else ()
    for glob in (*as_written, literal_glob(name), pasteable_glob(name)):
        assert list(filter(Selector((glob,)).matches, HOSTILE_NAMES)) == [name]
    for glob in (name, shown(name), literal_glob(name), pasteable_glob(name)):
        assert list(filter(build_selector((glob,), HOSTILE_NAMES).matches, HOSTILE_NAMES)) == [name]


@pytest.mark.parametrize("glob", ["*a*a*a*a*b", "a?*a?*a?*b", "*aa*aa*aa*aab*"])
def test_the_time_of_a_glob_grows_with_the_name_alone(glob: str) -> None:
    """However many stars it has: names come from outside."""
    small, large = (
        min(timeit(partial(Selector((glob,)).matches, "a" * size), number=1) for _ in range(3))
        for size in (20_000, 80_000)
    )

    assert large < 16 * small + 0.01


def test_severities_are_ranked() -> None:
    """Info is the mildest, critical the worst."""
    assert [severity.rank for severity in (Severity.INFO, Severity.WARNING, Severity.CRITICAL)] == [0, 1, 2]


# evaluate

_ACTIVE = Threshold(above=100)
_INACTIVE = Threshold(above=900)
_NO_DATA = a_growth(by=1)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        pytest.param([_ACTIVE], Verdict.ACTIVE, id="one condition speaks for itself"),
        pytest.param([_ACTIVE, _ACTIVE], Verdict.ACTIVE, id="all of them must hold"),
        pytest.param([_ACTIVE, _INACTIVE], Verdict.INACTIVE, id="any inactive one makes it inactive"),
        pytest.param([_ACTIVE, _NO_DATA], Verdict.NO_DATA, id="without data there is no proof"),
        pytest.param([_NO_DATA, _INACTIVE], Verdict.INACTIVE, id="inactive is proven whatever the other would say"),
        pytest.param([_NO_DATA, _NO_DATA], Verdict.NO_DATA, id="no data at all"),
    ],
)
def test_several_conditions_must_all_hold(conditions: list[Condition], expected: Verdict) -> None:
    """Any inactive → inactive; else any no_data → no_data; else active."""
    found = evaluate(a_level(*conditions), series("0 120"), firing=False, now=NOON)

    assert found.verdict is expected
    assert [evidence.condition for evidence in found.evidence] == [condition.name for condition in conditions]


def test_when_its_alert_has_fired_reaches_the_conditions() -> None:
    """A level says whether it must be told, and passes on what it is told."""
    remembering, other = a_level(Baseline(), Threshold(above=1)), a_level(Threshold(above=1))
    weeks = series("10x30", every="1d")
    high = Span(NOON - span("22d"), NOON - span("8d"))

    found = [evaluate(remembering, weeks, firing=False, fired=fired, now=NOON).evidence[0] for fired in ((), (high,))]

    assert (remembering.needs_firing_history, other.needs_firing_history) == (True, False)
    assert [evidence.detail for evidence in found] == [
        "",
        "only 2 of the same hours in the last 4 weeks can be compared with",
    ]


def test_hysteresis_reaches_the_conditions() -> None:
    """A firing level stays active until clear_at, a quiet one does not become so."""
    level = a_level(above=100, clear_at=50)

    assert evaluate(level, series("80"), firing=True, now=NOON).verdict is Verdict.ACTIVE
    assert evaluate(level, series("80"), firing=False, now=NOON).verdict is Verdict.INACTIVE


def test_a_level_falls_if_a_condition_does() -> None:
    """Its peak is then its lowest count."""
    assert a_level(Threshold(below=5)).lower_is_worse
    assert not a_level(Threshold(above=5)).lower_is_worse


def test_a_rule_looks_back_as_far_as_its_widest_condition() -> None:
    """The store loads that much."""
    rule = a_rule(warning=a_level(a_growth(over="1h", by=5)), critical=a_level(a_growth(over="6h", by=5), _ACTIVE))

    assert rule.lookback == span("6h")


# series_of


def test_a_rule_per_reason_judges_each_reason_that_it_selects() -> None:
    """Each reason of each selected tenant is judged on its own."""
    acme = a_tenant(series("1"), series("2", reason="Graymail"))
    umbrella = a_tenant(series("3", tenant="umbrella"))
    rule = a_rule(tenants=["acme"], reasons=["!gray*"])

    assert select_series(rule, [acme, umbrella]) == [acme.reasons[0]]


def test_a_rule_per_tenant_judges_the_sum_of_what_it_selects() -> None:
    """The sum of a tenant's selected reasons is one series."""
    acme = a_tenant(series("1"), series("2", reason="Graymail"), series("4", reason="Virus"))
    rule = a_rule(reasons=["!gray*"], per=Per.TENANT)

    [evaluated] = select_series(rule, [acme])

    assert (evaluated.tenant, evaluated.reason, evaluated.value_at(NOON)) == ("acme", ALL_REASONS, 5)


def test_a_rule_over_all_judges_one_sum() -> None:
    """The sum of all selected tenants is one series."""
    tenants = [a_tenant(series(str(count), tenant=name)) for name, count in (("acme", 1), ("umbrella", 2), ("x", 4))]
    rule = a_rule(tenants=["!x"], per=Per.ALL)

    [evaluated] = select_series(rule, tenants)

    assert (evaluated.tenant, evaluated.reason, evaluated.value_at(NOON)) == (ALL_TENANTS, ALL_REASONS, 3)


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        pytest.param(Per.REASON, [], id="per reason there is nothing to judge"),
        pytest.param(Per.TENANT, [0], id="a tenant's sum is 0"),
        pytest.param(Per.ALL, [0], id="the sum of all is 0"),
    ],
)
def test_a_tenant_in_which_nothing_was_ever_held_sums_to_nothing(per: Per, expected: list[int]) -> None:
    """A good poll with an empty answer is a proven zero, not missing data."""
    assert [each.value_at(NOON) for each in select_series(a_rule(per=per), [a_tenant()])] == expected


@pytest.mark.parametrize("per", list(Per))
def test_a_rule_that_selects_no_tenant_judges_nothing(per: Per) -> None:
    """No sum is made of nothing."""
    assert select_series(a_rule(tenants=["umbrella"], per=per), [a_tenant(series("1"))]) == []


@pytest.mark.parametrize("per", list(Per))
def test_a_rule_on_polling_judges_each_tenant_on_its_own(per: Per) -> None:
    """No data is a tenant's, whatever `per` says."""
    tenants = [a_tenant(series("1", tenant=name)) for name in ("acme", "umbrella")]
    rule = a_rule(critical=a_level(a_no_data()), per=per)

    assert rule.input_kind is InputKind.POLLING
    assert rule.scope is Per.TENANT
    assert select_series(rule, tenants) == [tenant.polling for tenant in tenants]


def test_a_reason_first_seen_inside_the_window_had_nothing_before() -> None:
    """Growth counts from 0 where the tenant was polled without that reason in the answer."""
    new = series("0x12 60", reason="New policy")
    rule = a_rule(warning=a_level(a_growth(over="1h", by=50)))

    [evaluated] = select_series(rule, [a_tenant(new)])
    found = evaluate(rule.levels[Severity.WARNING], evaluated, firing=False, now=NOON)

    assert found.verdict is Verdict.ACTIVE
    assert found.evidence[0].reference == Sample(at("11:00"), 0)


@pytest.mark.parametrize(
    ("notation", "verdict", "until", "within"),
    [
        pytest.param("0x20", Verdict.INACTIVE, FOREVER, (0, 49), id="the wider of two inactive ones"),
        pytest.param("9x20", Verdict.INACTIVE, FOREVER, (0, 49), id="the inactive one"),
        pytest.param("0x12 60", Verdict.ACTIVE, at("13:00"), (50, ANY_COUNT[1]), id="all that are active"),
        pytest.param("9x3", Verdict.NO_DATA, at("12:50"), (2, ANY_COUNT[1]), id="all of which none is inactive"),
    ],
)
def test_the_verdict_of_a_level_stands_for_as_long_as_its_conditions_say(
    notation: str, verdict: Verdict, until: datetime, within: tuple[int, int]
) -> None:
    """All of them must hold, so that one that is inactive is enough."""
    both = a_level(Threshold(above=1), a_growth(over="1h", by=50))

    found = evaluate(both, series(notation), firing=False, now=NOON)

    assert (found.verdict, found.holds_until, found.holds_within) == (verdict, until, within)


def test_a_rule_that_compares_reasons_has_all_of_them_at_hand() -> None:
    """A rise may be another reason's name, whichever reasons the rule itself selects."""
    rise = a_rule(reasons=["Spam"], warning=a_level(Rise()))

    lookbacks = Lookbacks.of_rules([rise])

    assert lookbacks.for_reason(HoldReason("Graymail")) == OTHERS_LOOKBACK
    assert lookbacks.for_reason(HoldReason("Spam")) == Rise().lookback
