"""Random worlds: a configuration, and everything that may happen to it, from a seed."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tests.reference.script import Acknowledged, Configured, Delivered, Event, PollRange, Restarted, Silenced, toml_of
from tests.reference.words import Table

START = datetime(2026, 3, 2, 6, tzinfo=UTC)
"""A Monday."""

CAUSES = ("timeout", "dns", "keys_expired")
NAMES = ("Spam", "Virus", "Graymail", "[Ext] a*b?", "!Bang", "back\\slash")
COUNTS = (0, 0, 1, 5, 10, 20, 30, 50, 51, 80, 100, 101, 150, 200, 260, 400, 500)

HELD = ("threshold", "growth", "times", "forecast", "stagnant", "new_reason", "baseline")
MATCH_ALL = frozenset(
    (
        *HELD, "no_data", "failures", "gaps", "weeks", "for", "per_tenant", "per_all", "patterns", "names", "routes",
        "silences", "groups", "budgets", "acks", "undo", "windows", "edits", "restarts", "muted", "quiet_ends",
        "targets", "labels", "delivery", "fallback",
    )
)  # fmt: skip


@dataclass(slots=True)
class Maker:
    """Makes one world out of one seed, of the features that are wanted."""

    random: Random
    features: frozenset[str] = MATCH_ALL
    length: int = 35
    config: Table = field(default_factory=dict)
    minutes: int = 5
    is_weekly: bool = False
    is_delivering: bool = False
    is_undisturbed: bool = False
    is_whole: bool = False
    names: list[str] = field(default_factory=list)
    gap_left: int = 0
    failing: dict[str, int] = field(default_factory=dict)
    spells: dict[str, tuple[str, int]] = field(default_factory=dict)

    def has(self, feature: str, chance: float = 0.5) -> bool:
        """Return True if a feature is wanted, and by chance."""
        return feature in self.features and self.random.random() < chance

    def world(self) -> list[Event]:
        """Return the events of a world, oldest first, at instants of their own."""
        self.config = self.configuration()
        now = START
        events: list[Event] = [Configured(at=now, toml=toml_of(self.config))]
        counts = {tenant: self.first_counts() for tenant in self.config["tenants"]}
        interval = timedelta(minutes=self.minutes)
        for number in range(self.length):
            now = START + timedelta(seconds=30) + self.later(number, interval)
            if self.in_gap():
                continue
            events += self.others(now - timedelta(seconds=20))
            for place, tenant in enumerate(list(self.config["tenants"])):
                at = now + timedelta(seconds=7 * place) + timedelta(seconds=self.random.randint(0, 4))
                counts.setdefault(tenant, self.first_counts())
                events.append(self.poll(tenant, at, counts[tenant]))
            if self.is_delivering and self.random.random() < 0.6:
                events.append(Delivered(at=now + timedelta(seconds=40), outcomes=self.outcomes()))
        return events

    def later(self, number: int, interval: timedelta) -> timedelta:
        """Return when a poll is due after the start; some worlds are polled on one morning of each week alone."""
        if not self.is_weekly:
            return number * interval
        week, rest = divmod(number, 7)
        return timedelta(weeks=week) + rest * interval

    def outcomes(self) -> tuple[tuple[str, str], ...]:
        """Return which targets do not take messages now: they fail in spells."""
        urls = [url for receiver in self.config["receivers"].values() for url in receiver["urls"]]
        for url in urls:
            kind, left = self.spells.get(url, ("ok", 0))
            if left:
                self.spells[url] = (kind, left - 1)
            else:
                kind = self.random.choice(("ok", "ok", "ok", "unreachable", "refused", "long"))
                self.spells[url] = (kind, self.random.choice((1, 3, 8)))
        return tuple((url, self.spells[url][0]) for url in urls if self.spells[url][0] != "ok")

    # ---- the configuration

    def configuration(self) -> Table:
        """Return a configuration."""
        self.is_delivering = self.has("delivery")
        self.is_whole = self.random.random() < 0.4
        self.is_undisturbed = self.random.random() < 0.3
        self.is_weekly = self.has("weeks", 0.2)
        self.minutes = self.random.choice((20, 30) if self.is_weekly else (1, 5, 5, 5, 10))
        names = NAMES if "names" in self.features else NAMES[:3]
        self.names = self.random.sample(names, self.random.randint(1, 3))
        tenants = self.random.randint(1, 2)
        config: Table = {
            "service": {"poll_interval": f"{self.minutes}m", "timezone": "Europe/London"},
            "tenants": {name: self.tenant() for name in ("acme", "globex")[:tenants]},
            "receivers": {name: self.receiver(name) for name in ("secops", "mail")[: self.random.randint(1, 2)]},
        }
        if self.has("windows"):
            config["mute_windows"] = {"nap": self.window()}
        if "mail" in config["receivers"] and self.has("fallback", 0.4):
            config["receivers"]["secops"]["fallback"] = "mail"
        config["rules"] = [self.rule(name, config) for name in ("Backlog", "Surge", "Low")[: self.random.randint(1, 3)]]
        if self.has("no_data", 0.3):
            config["rules"].append(
                {"name": "Blind", "warning": {"no_data": {"after": f"{self.minutes * 2}m"}}}
                | ({"critical": {"no_data": {"after": f"{self.minutes * 4}m"}}} if self.random.random() < 0.5 else {})
            )
        if self.has("routes"):
            config["routes"] = [self.route(config) for _ in range(self.random.randint(1, 3))]
        return config

    def tenant(self) -> Table:
        """Return a tenant."""
        key = self.random.randint(0, 10**9)
        table: Table = {"client_id": f"id{key}", "client_secret": f"secret{key}"}
        if self.has("labels"):
            table["labels"] = {"tier": self.random.choice(("gold", "test"))}
        if self.has("windows", 0.3):
            table["timezone"] = self.random.choice(("America/New_York", "Asia/Tokyo"))
        if self.has("muted", 0.1):
            table["muted"] = True
        return table

    def receiver(self, name: str) -> Table:
        """Return a receiver."""
        urls = [f"json://{name}-{number}.example" for number in range(1, 1 + self.random.choice((1, 1, 2)))]
        table: Table = {"urls": urls, "repeat_interval": self.random.choice(("10m", "30m", "4h"))}
        if self.has("quiet_ends", 0.3):
            table["send_resolved"] = False
        if self.has("groups", 0.3):
            table["group_wait"] = self.random.choice(("2m", "12m"))
        table["max_per_hour"] = self.random.choice((1, 2, 3)) if self.has("budgets", 0.4) else 1000
        return table

    def window(self) -> Table:
        """Return a mute window of that day."""
        begins, ends = self.random.sample(("05:30", "06:30", "07:00", "07:45", "08:30", "23:00"), 2)
        table: Table = {"from": begins, "to": ends}
        if self.random.random() < 0.3:
            table["days"] = ["mon-fri"]
        if self.random.random() < 0.5:
            table["timezone"] = self.random.choice(("Europe/London", "Asia/Tokyo", "UTC"))
        if self.random.random() < 0.2:
            table["tenants"] = ["acme"]
        return table

    def route(self, config: Table) -> Table:
        """Return a route."""
        names = list(config["receivers"])
        table: Table = {"receivers": self.random.sample(names, self.random.randint(1, len(names)))}
        if self.random.random() < 0.5:
            levels = ("info", "warning", "critical")
            table["severity"] = self.random.sample(levels, self.random.randint(1, 2))
        if self.random.random() < 0.2:
            table["tenants"] = ["acme"]
        if self.random.random() < 0.2:
            table["rules"] = [self.random.choice(("Back*", "!Back*"))]
        if "mute_windows" in config and self.random.random() < 0.4:
            table["mute_windows"] = ["nap"]
        return table

    def rule(self, name: str, config: Table) -> Table:
        """Return a rule on counts."""
        kinds = [kind for kind in HELD if kind in self.features]
        kind = self.random.choice(kinds)
        table: Table = {"name": name}
        if self.has("patterns", 0.4):
            table["reasons"] = [self.pattern() for _ in range(self.random.randint(1, 2))]
        if self.has("labels", 0.2):
            table["tenant_labels"] = {"tier": self.random.choice(("gold", "!gold"))}
        if kind != "new_reason":
            table |= self.sums(kind)
        levels = self.random.sample(("info", "warning", "critical"), self.random.choice((1, 1, 2, 2, 3)))
        for level in sorted(levels, key=("info", "warning", "critical").index):
            table[level] = self.level(kind, ("info", "warning", "critical").index(level))
        table |= self.spans()
        if "mute_windows" in config and self.random.random() < 0.3:
            table["mute_windows"] = ["nap"]
        return table

    def pattern(self) -> str:
        """Return a pattern: a name that is escaped, a part of one, or what excludes it."""
        name = self.random.choice(self.names)
        escaped = "".join(f"\\{each}" if each in "*?\\!" else each for each in name)
        return self.random.choice(
            (escaped, escaped.upper(), "!" + escaped, escaped[:2] + "*" if not escaped.startswith("\\") else "*",
             "*" + name[-1] if name[-1] not in "*?" else "*")
        )  # fmt: skip

    def level(self, kind: str, rank: int) -> Table:
        """Return a level of a rule."""
        table: Table = {"growth" if kind == "times" else kind: self.condition(kind, rank)}
        if self.random.random() < 0.1 and kind not in {"threshold", "new_reason"} and "threshold" in self.features:
            table["threshold"] = {"above": 20}
        return table | self.spans()

    def sums(self, kind: str) -> Table:
        """Return over what a rule sums up; of the sum over all tenants only what it is now is compared."""
        if self.has("per_tenant", 0.25):
            return {"per": "tenant"}
        return {"per": "all"} if kind == "threshold" and self.has("per_all", 0.25) else {}

    def spans(self) -> Table:
        """Return how long conditions must hold, or not."""
        names = [name for name in ("for", "keep_firing_for") if self.has("for", 0.2)]
        return {name: f"{self.minutes * self.random.choice((1, 2, 3))}m" for name in names}

    def condition(self, kind: str, rank: int) -> Table:
        """Return a condition; a higher level has a higher limit."""
        more = (1, 2, 5)[rank]
        over = f"{self.minutes * self.random.choice((1, 2, 3, 6))}m"
        fit_over = f"{self.minutes * self.random.choice((3, 4, 6))}m"
        conditions: Table = {
            "threshold": self.threshold(more),
            "growth": self.growth(over, more),
            "times": {**self.growth(over, more), "times": self.random.choice((2, 3, 5))},
            "forecast": {"above": 80 * more, "within": over, "fit_over": fit_over},
            "stagnant": {"above": self.random.choice((0, 4)) * more, "lasting": over},
            "new_reason": {"learn": f"{self.minutes * self.random.choice((1, 5, 10))}m"},
            "baseline": {"weeks": 3, "floor": 5 * more},
        }
        chosen: Table = conditions[kind]
        return chosen

    def threshold(self, more: int) -> Table:
        """Return a limit, with or without `clear_at`."""
        clears = self.random.random() < 0.5
        if self.random.random() < 0.75:
            above = self.random.choice((20, 50, 100)) * more
            return {"above": above} | ({"clear_at": above * 3 // 5} if clears else {})
        below = self.random.choice((10, 20, 60)) // more
        return {"below": below} | ({"clear_at": below * 2 + 1} if clears else {})

    def growth(self, over: str, more: int) -> Table:
        """Return a growth, or a fall."""
        steps = self.random.choice(({"by": 10 * more}, {"percent": 50 * more}, {"by": 5 * more, "percent": 40 * more}))
        if self.random.random() < 0.25:
            steps = {f"falls_{key}": min(value, 90) for key, value in steps.items()}
        return {"over": over, **steps} | ({"floor": self.random.choice((0, 5))} if self.random.random() < 0.3 else {})

    # ---- what happens

    def first_counts(self) -> dict[str, int]:
        """Return what a tenant holds at first."""
        return {name: self.random.choice(COUNTS) for name in self.names if self.random.random() < 0.7}

    def in_gap(self) -> bool:
        """Return True if nobody polls: the service is down for one interval, two, or many."""
        if self.gap_left:
            self.gap_left -= 1
            return True
        if not self.is_whole and self.has("gaps", 0.06):
            self.gap_left = self.random.choice((1, 1, 2, 7)) - 1
            return True
        return False

    def poll(self, tenant: str, at: datetime, counts: dict[str, int]) -> PollRange:
        """Return a poll; counts change now and then, and failures come in spells."""
        if self.failing.get(tenant, 0):
            self.failing[tenant] -= 1
            return PollRange(at=at, tenant=tenant, counts=None, cause=self.random.choice(CAUSES))
        if not self.is_whole and self.has("failures", 0.06):
            self.failing[tenant] = self.random.choice((0, 0, 1, 4, 8))
            return PollRange(at=at, tenant=tenant, counts=None, cause=self.random.choice(CAUSES))
        for name in self.names:
            draw = self.random.random()
            if draw < 0.2:
                counts[name] = self.random.choice(COUNTS)
            elif draw < 0.45:
                counts[name] = max(0, counts.get(name, 0) + self.random.randint(-15, 25))
            elif draw < 0.5:
                counts.pop(name, None)
        return PollRange(at=at, tenant=tenant, counts=dict(counts))

    def others(self, now: datetime) -> list[Event]:
        """Return what else happens before the polls of an interval; nothing in a world that is backtested."""
        if self.is_undisturbed:
            return []
        if self.has("silences", 0.08):
            return [self.silence(now)]
        if self.has("acks", 0.15):
            return [self.acknowledgement(now)]
        if self.has("restarts", 0.05):
            return [Restarted(at=now)]
        if self.has("edits", 0.08):
            self.edit()
            return [Configured(at=now, toml=toml_of(self.config))]
        return []

    def silence(self, now: datetime) -> Silenced:
        """Return a silence."""
        ends_at = now + timedelta(minutes=self.minutes * self.random.choice((1, 3, 8)))
        return Silenced(
            at=now,
            ends_at=ends_at,
            tenants=self.random.choice(((), ("acme",))),
            rules=self.random.choice(((), ("Back*",), ("*g*",))),
            reasons=self.random.choice(((), ("*a*",))),
        )

    def acknowledgement(self, now: datetime) -> Acknowledged:
        """Return an acknowledgement of something, which may fire."""
        rule = self.random.choice(self.config["rules"])
        per, names = rule.get("per"), self.names
        tenant = "*" if per == "all" else self.random.choice(list(self.config["tenants"]))
        reason = "*" if per in {"tenant", "all"} else self.random.choice(names)
        return Acknowledged(at=now, subject=(rule["name"], tenant, reason), is_undone=self.has("undo", 0.2))

    def edit(self) -> None:
        """Change one thing of the configuration."""
        what = self.random.choice(("remove", "rule", "rule", "routes", "url", "label", "receiver"))
        match what:
            case "remove" if len(self.config["rules"]) > 1:
                self.config["rules"].pop(self.random.randrange(len(self.config["rules"])))
            case "rule":
                place = self.random.randrange(len(self.config["rules"]))
                name = self.config["rules"][place]["name"]
                if name != "Blind":
                    self.config["rules"][place] = self.rule(name, self.config)
            case "routes" if "routes" in self.features:
                self.config["routes"] = [self.route(self.config) for _ in range(self.random.randint(1, 2))]
            # What waits for a target goes where its name is; the model knows URLs alone.
            case "url" if "targets" in self.features and not self.is_delivering:
                receiver = self.random.choice(list(self.config["receivers"].values()))
                url = f"json://new{self.random.randint(1, 99)}.example"
                receiver["urls"] = self.random.choice(([url], [*receiver["urls"], url]))
            case "label" if "labels" in self.features:
                tenant = self.random.choice(list(self.config["tenants"].values()))
                tenant["labels"] = {"tier": self.random.choice(("gold", "test"))}
            case "receiver":
                receiver = self.random.choice(list(self.config["receivers"].values()))
                receiver["repeat_interval"] = self.random.choice(("10m", "30m", "4h"))
            case _:
                pass


def world_of(seed: int, features: frozenset[str] = MATCH_ALL) -> list[Event]:
    """Return the world of a seed: the same for ever."""
    return Maker(Random(seed), features).world()  # noqa: S311 - nothing here is secret
