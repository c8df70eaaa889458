"""The whole of it: polls come in, alerts step, receivers are told (sections 2 to 6)."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.reference.alerts import LEVELS, Alert, Key, Transition, step
from tests.reference.conditions import ACTIVE, evaluate
from tests.reference.mutes import Acknowledgement, Silence, Subject, active_window, routes_to, timezone_for
from tests.reference.outbox import Row, Target, is_news, settle
from tests.reference.plan import (
    HOUR,
    Entry,
    Memory,
    NotificationState,
    Truth,
    concerning,
    decide,
    highest,
    passes_always,
    wait_of,
)
from tests.reference.polls import Poll, Scope, together, windows_for
from tests.reference.words import Table, selects, span, takes_tenant

BUILT_IN = "No data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one receiver is told at once, and which of its targets (6)."""

    at: datetime
    receiver: str
    target: str
    entries: tuple[Entry, ...]


@dataclass(slots=True, kw_only=True)
class Model:
    """Everything that is known, in plain lists."""

    config: Table
    polls: list[Poll] = field(default_factory=list)
    alerts: dict[Key, Alert] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    acknowledgements: dict[Subject, Acknowledgement] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    counts: dict[Subject, int] = field(default_factory=dict)
    """What was held of each subject when it was last evaluated."""
    targets: dict[str, Target] = field(default_factory=dict)
    planned: int = 0
    about_polling: set[Subject] = field(default_factory=set)

    # ---- 3: which rules look at what

    def interval(self, tenant: str) -> timedelta:
        """Return how often a tenant is polled (9)."""
        service = self.config.get("service", {})
        return span(self.config["tenants"].get(tenant, {}).get("poll_interval") or service.get("poll_interval", "5m"))

    def rules(self, tenant: str) -> list[Table]:
        """Return the rules for a tenant, with the one that is built in unless it has one of its kind (4.7)."""
        rules = [rule for rule in self.config.get("rules", []) if takes_tenant(rule, tenant, self.config)]
        if any(is_no_data(rule) for rule in rules):
            return rules
        after = max(timedelta(minutes=15), 3 * self.interval(tenant))
        built_in = {"name": BUILT_IN, "critical": {"no_data": {"after": f"{int(after.total_seconds())}s"}}}
        return [*rules, built_in]

    def scopes(self, rule: Table, tenant: str, now: datetime) -> list[Scope]:
        """Return what a rule looks at in a tenant: each reason, the sum, or polling itself (3).

        Silent: which reasons there are. They are all that were ever in an answer of the tenant. Silent: a sum of which
        no reason was seen. It is 0.
        """
        polls = windows_for(self.polls, tenant, now)
        names = sorted({name for poll in polls for name in poll.counts or {}})
        if is_no_data(rule) or rule.get("per") == "tenant":
            return [self.scope(tenant, "*", polls, rule.get("reasons"))]
        return [self.scope(tenant, name, polls, None) for name in names if selects(rule.get("reasons"), name)]

    def scope(self, tenant: str, reason: str, polls: list[Poll], patterns: list[str] | None) -> Scope:
        """Return one thing to look at."""
        return Scope(
            tenant=tenant,
            reason=reason,
            polls=polls,
            takes=(lambda name: selects(patterns, name)) if reason == "*" else (lambda name: name == reason),
            interval=self.interval(tenant),
            timezone=timezone_for(tenant, self.config),
        )

    # ---- 5: alerts

    def configure(self, config: Table, now: datetime) -> list[Message]:
        """Take another configuration, or the same at a start, and tell what no poll tells (5, 6).

        Silent: when that is told. It is at once: what ended of what is gone, and to a target that was never told
        anything what fires now.
        """
        self.config = config
        if self.drop_what_is_gone(now) or self.unpolled():
            return self.tell(now)
        new = {
            name: [url for url in receiver["urls"] if url not in self.memories.get(name, Memory()).known]
            for name, receiver in config["receivers"].items()
        }
        return self.tell(now, urls={name: urls for name, urls in new.items() if urls}) if any(new.values()) else []

    def unpolled(self) -> set[str]:
        """Return the tenants that are polled no more, of which somebody still believes that something fires."""
        told_of = {subject[1] for memory in self.memories.values() for _, subject in memory.notified}
        sums = any(
            rule.get("per") == "all" and any(takes_tenant(rule, each, self.config) for each in self.config["tenants"])
            for rule in self.config.get("rules", [])
        )
        return {each for each in told_of if each not in self.config["tenants"] and not (each == "*" and sums)}

    def notify_removed_tenants(self, now: datetime) -> list[Message]:
        """Tell what no poll tells any more, such as an end that a silence hid (6)."""
        tenants = self.unpolled()
        return self.tell(now, tenants) if tenants else []

    def poll(self, poll: Poll, now: datetime) -> list[Message]:
        """Take in what a tenant was polled, and return what is told of it (5, 6).

        Silent: with whose polls a sum is told of. It is with those of its tenants, as it is evaluated with them; the
        end of one that nobody evaluates any more is told with the next successful poll.
        """
        self.polls.append(poll)
        self.drop_what_is_gone(now, polled=poll.tenant if poll.counts is not None else "")
        for rule in self.rules(poll.tenant):
            if rule.get("per") == "all" and not is_no_data(rule):
                self.look(rule, self.sum_of_all(rule, now), now)
            else:
                for scope in self.scopes(rule, poll.tenant, now):
                    self.look(rule, scope, now)
        self.watch_acknowledgements(now)
        is_in_sum = any(rule.get("per") == "all" and not is_no_data(rule) for rule in self.rules(poll.tenant))
        is_over = poll.counts is not None and "*" in self.unpolled()
        return self.tell(now, {poll.tenant, "*"} if is_in_sum or is_over else {poll.tenant})

    def sum_of_all(self, rule: Table, now: datetime) -> Scope:
        """Return the sum over the tenants of a rule (3)."""
        tenants = [name for name in self.config["tenants"] if takes_tenant(rule, name, self.config)]
        intervals = {name: self.interval(name) for name in tenants}
        return Scope(
            tenant="*",
            reason="*",
            polls=together(self.polls, intervals, now),
            takes=lambda name: selects(rule.get("reasons"), name),
            interval=max(intervals.values()),
            timezone=timezone_for("*", self.config),
        )

    def look(self, rule: Table, scope: Scope, now: datetime) -> None:
        """Evaluate each level of a rule and take its alert one step further (3, 5)."""
        if scope.is_seen and not is_no_data(rule):
            self.counts[rule["name"], scope.tenant, scope.reason] = scope.samples[-1][1]
        if is_no_data(rule):
            self.about_polling.add((rule["name"], scope.tenant, scope.reason))
        for level in LEVELS:
            if level in rule:
                self.look_at_level(rule, level, scope, now)

    def look_at_level(self, rule: Table, level: str, scope: Scope, now: datetime) -> None:
        """Evaluate one level and take its alert one step further (3, 5).

        Silent: what a peak is. It is the worst count that was polled since the alert is pending or firing.
        """
        key = (rule["name"], level, scope.tenant, scope.reason)
        table = rule[level]
        alert = self.alerts.get(key, Alert())
        limit = limit_of(table)
        verdict = evaluate(
            table,
            scope,
            now,
            holds=alert.state == "firing" and alert.limit == limit,
            was_firing=lambda start, end: self.was_firing(key, start, end),
        )
        wait = span(table.get("for", rule.get("for", "0s")))
        keep = span(table.get("keep_firing_for", rule.get("keep_firing_for", "0s")))
        after = step(alert, verdict, scope, now, wait=wait, keep=keep)
        if after.state != "inactive" and scope.is_seen and not is_no_data(rule):
            count = scope.samples[-1][1]
            worst = min if is_falling(table) else max
            after = replace(after, peak=worst(count, after.peak if after.peak is not None else count))
        if after.state == "firing" and verdict == ACTIVE:
            after = replace(after, limit=limit)
        self.change(key, after, now, "")

    def change(self, key: Key, after: Alert, now: datetime, why: str) -> None:
        """Keep an alert, and append its transition if it has one (5)."""
        before = self.alerts.get(key, Alert())
        self.alerts[key] = after
        if before.state == after.state:
            return
        lasted = now - before.fired_at if before.fired_at else None
        self.transitions.append(
            Transition(
                at=now, key=key, before=before.state, after=after.state, why=why, lasted=lasted, peak=before.peak
            )
        )

    def was_firing(self, key: Key, start: datetime, end: datetime) -> bool:
        """Return True if an alert was firing at some time of a span (4.4).

        Silent: whether a slot is left out for a level while another level of the rule was firing. It is not.
        """
        since, spans = None, []
        for each in (each for each in self.transitions if each.key == key):
            if each.after == "firing":
                since = each.at
            elif since is not None:
                spans.append((since, each.at))
                since = None
        if since is not None:
            spans.append((since, datetime.max.replace(tzinfo=start.tzinfo)))
        return any(fired_at < end and start <= resolved_at for fired_at, resolved_at in spans)

    def drop_what_is_gone(self, now: datetime, *, polled: str = "") -> bool:
        """Resolve the alerts of which rule, level or tenant are gone from the configuration (5).

        Silent: a rule that is still there and no longer selects a tenant or a reason. Its alert ends in the same way.
        """
        alive = [key for key, alert in self.alerts.items() if alert.state != "inactive"]
        gone = [key for key in alive if not self.is_there(key, can_evaluate=key[2] == polled)]
        for key in gone:
            self.change(key, Alert(), now, "gone")
        return bool(gone)

    def is_there(self, key: Key, *, can_evaluate: bool) -> bool:
        """Return True if the configuration still has what an alert is about (5)."""
        name, level, tenant, reason = key
        if tenant == "*":
            rules = [rule for rule in self.config.get("rules", []) if rule.get("per") == "all"]
            rules = [
                rule for rule in rules if any(takes_tenant(rule, each, self.config) for each in self.config["tenants"])
            ]
        elif tenant in self.config["tenants"]:
            rules = [rule for rule in self.rules(tenant) if rule.get("per") != "all"]
        else:
            rules = []
        return any(rule["name"] == name and level in rule and looks_at(rule, reason, can_evaluate) for rule in rules)

    def jump(self, by: timedelta) -> None:
        """Let the clock jump: nothing fires, ends or is told because of it (8).

        Silent: what becomes of the instants from which spans are measured. They move along with the clock.
        """
        for key, alert in self.alerts.items():
            if alert.state != "inactive":
                self.alerts[key] = replace(
                    alert,
                    pending_since=moved(alert.pending_since, by),
                    fired_at=moved(alert.fired_at, by),
                    keep_firing_since=moved(alert.keep_firing_since, by),
                )
        for subject, ack in self.acknowledgements.items():
            self.acknowledgements[subject] = replace(ack, at=ack.at + by, broken_at=moved(ack.broken_at, by))
        for memory in self.memories.values():
            memory.group_until = moved(memory.group_until, by)
            memory.notified = {
                subject: replace(notified, at=notified.at + by) for subject, notified in memory.notified.items()
            }

    # ---- 6: mutes

    def firing(self, subject: Subject) -> list[str]:
        """Return the levels of a subject that fire."""
        rule, tenant, reason = subject
        return [level for level in LEVELS if self.alerts.get((rule, level, tenant, reason), Alert()).state == "firing"]

    def acknowledge(self, subject: Subject, now: datetime) -> None:
        """Acknowledge what fires of a subject, as it is now (6)."""
        level = highest(self.firing(subject))
        if level:
            self.acknowledgements[subject] = Acknowledgement(at=now, level=level, count=self.counts.get(subject))

    def undo(self, subject: Subject) -> None:
        """Take an acknowledgement back (6 [2])."""
        self.acknowledgements.pop(subject, None)

    def watch_acknowledgements(self, now: datetime) -> None:
        """End acknowledgements of what is resolved, and break those of what became worse, for good (6 [2]).

        Silent: what is twice nothing. Nothing is: a count that was 0 does not double. Silent: an alert that goes on at
        other levels than the one that was acknowledged. It is the same as long as one of them fires.
        """
        for subject, ack in list(self.acknowledgements.items()):
            level = highest(self.firing(subject))
            if level is None or self.began_at(subject, now) > ack.at:
                self.undo(subject)
            elif ack.broken_at is None:
                is_higher = LEVELS.index(level) > LEVELS.index(ack.level)
                count = self.counts.get(subject)
                is_double = count is not None and 0 < 2 * (ack.count or 0) <= count
                if is_higher or is_double:
                    self.acknowledgements[subject] = replace(ack, broken_at=now)

    def began_at(self, subject: Subject, now: datetime) -> datetime:
        """Return since when a subject has fired without a pause, as far as the last time of each level tells."""
        last: dict[str, tuple[datetime, datetime]] = {}
        for each in self.transitions:
            if (each.key[0], *each.key[2:]) != subject:
                continue
            if each.after == "firing":
                last[each.key[1]] = (each.at, datetime.max.replace(tzinfo=now.tzinfo))
            elif each.before == "firing":
                last[each.key[1]] = (last[each.key[1]][0], each.at)
        began = now
        for fired_at, resolved_at in sorted(last.values(), key=lambda times: times[1], reverse=True):
            if resolved_at >= began:
                began = min(began, fired_at)
        return began

    def is_acknowledged(self, subject: Subject, level: str) -> bool:
        """Return True if an acknowledgement keeps a level that fires quiet (6).

        Silent: what becomes of it if the alert goes on at a lower level. It covers that one, too; and it does not cover
        the level that was acknowledged any more when that fires again.
        """
        ack = self.acknowledgements.get(subject)
        alert = self.alerts.get((subject[0], level, *subject[1:]), Alert())
        if ack is None or ack.broken_at is not None or alert.fired_at is None:
            return False
        is_another = level == ack.level and alert.fired_at > ack.at
        return LEVELS.index(level) <= LEVELS.index(ack.level) and not is_another

    def is_muted(self, subject: Subject, level: str, now: datetime) -> bool:
        """Return True if something keeps a level of a subject quiet from everybody (6)."""
        name, tenant, _ = subject
        rule: Table = next((each for each in self.config.get("rules", []) if each["name"] == name), {})
        return (
            any(silence.mutes(subject, level, now) for silence in self.silences)
            or self.is_acknowledged(subject, level)
            or active_window(rule.get("mute_windows"), tenant, self.config, now)
            or bool(self.config["tenants"].get(tenant, {}).get("muted"))
            or (not self.is_polling(subject) and self.is_without_data(tenant))
        )

    def is_polling(self, subject: Subject) -> bool:
        """Return True if a subject is about polling itself, also when its rule is gone (4.7)."""
        return subject in self.about_polling

    def is_without_data(self, tenant: str) -> bool:
        """Return True if an alert about a tenant's polling fires (4.7, 6)."""
        return any(
            alert.state == "firing" and key[2] == tenant and self.is_polling((key[0], *key[2:]))
            for key, alert in self.alerts.items()
        )

    # ---- 6: who is told what

    def truth(self, subject: Subject, now: datetime) -> Truth:
        """Return what is true of a subject now."""
        ack = self.acknowledgements.get(subject)
        return Truth(
            levels=tuple(self.firing(subject)),
            muted_levels=tuple(level for level in LEVELS if self.is_muted(subject, level, now)),
            broken_at=ack.broken_at if ack else None,
            is_no_data=self.is_polling(subject),
        )

    def tell(
        self, now: datetime, tenants: set[str] | None = None, urls: dict[str, list[str]] | None = None
    ) -> list[Message]:
        """Return what every receiver, or some of their targets, are told now, of some tenants or of all (6).

        All that one poll has to tell: of its tenant, and of the sums over all.
        """
        messages: list[Message] = []
        truths = self.truths(now, tenants)
        for name, receiver in self.config["receivers"].items():
            memory = self.memories.setdefault(name, Memory())
            targets = receiver["urls"] if urls is None else urls.get(name, [])
            self.note_ends(name, truths, now)
            if not wait_of(receiver):
                messages += self.tell_receiver(name, targets, truths, now)
            elif memory.group_until is None:
                news = self.news(name, targets, truths, now).values()
                if any(entries and self.may_send(name, entries, truths, now) for entries in news):
                    memory.group_until = now + wait_of(receiver)
        return messages

    def truths(self, now: datetime, tenants: set[str] | None = None) -> dict[Subject, Truth]:
        """Return what is true now of every subject."""
        subjects = sorted({(key[0], *key[2:]) for key in self.alerts})
        return {each: self.truth(each, now) for each in subjects if tenants is None or each[1] in tenants}

    def flush_groups(self, until: datetime) -> list[Message]:
        """Return what is told of what was collected for as long as `group_wait`, each group when its time has come (6).

        Silent: a group whose news are over before it is told. It ends at its time all the same, without a message.
        Silent: the order of two groups at one instant. It is that of the configuration.
        """
        messages: list[Message] = []
        groups = [(each.group_until, name) for name, each in self.memories.items() if each.group_until is not None]
        places = {name: place for place, name in enumerate(self.config["receivers"])}
        over = [group for group in groups if group[0] <= until]
        for now, name in sorted(over, key=lambda group: (group[0], places.get(group[1], -1))):
            self.memories[name].group_until = None
            if name in self.config["receivers"]:
                truths = self.truths(now)
                self.note_ends(name, truths, now)
                messages += self.tell_receiver(name, self.config["receivers"][name]["urls"], truths, now)
        return messages

    def news(
        self, name: str, urls: list[str], truths: dict[Subject, Truth], now: datetime
    ) -> dict[str, tuple[Entry, ...]]:
        """Return what targets of a receiver are to be told: one that is new, all that fires (6 [2])."""
        return {url: tuple(self.entries(name, url, truths, now)) for url in urls}

    def tell_receiver(self, name: str, urls: list[str], truths: dict[Subject, Truth], now: datetime) -> list[Message]:
        """Return what one receiver is told now: one message, to each of its targets that lacks the same (6, 7).

        Silent: targets that lack different things. What they get are different messages, which count as one.
        """
        memory = self.memories[name]
        messages = []
        news = self.news(name, urls, truths, now)
        lists = dict.fromkeys(entries for entries in news.values() if entries)
        for entries in [each for each in lists if self.may_send(name, each, truths, now)]:
            memory.sent_at.add(now)
            for url in (url for url, lacking in news.items() if lacking == entries):
                self.remember(memory, url, entries, now)
                messages.append(Message(at=now, receiver=name, target=url, entries=entries))
                self.enqueue(name, url, now)
        return messages

    def may_send(self, name: str, entries: Iterable[Entry], truths: dict[Subject, Truth], now: datetime) -> bool:
        """Return True if a receiver may get a message with these entries within `max_per_hour` (7).

        Silent: a message of which only some entries pass always. It passes as a whole. Silent: `group_wait` of a
        receiver that may have no message. It begins when it may have one.
        """
        recent = [at for at in self.memories[name].sent_at if at > now - HOUR]
        most: int = self.config["receivers"][name].get("max_per_hour", 30)
        return len(recent) < most or any(passes_always(entry, truths[entry.subject]) for entry in entries)

    def remember(self, memory: Memory, url: str, entries: Iterable[Entry], now: datetime) -> None:
        """Remember what a target was told (6).

        Silent: whether news begin the doubling of `repeat_interval` again. They do; a broken acknowledgement is news.
        """
        memory.known.add(url)
        for entry in entries:
            before = memory.notified.pop((url, entry.subject), None)
            if entry.reason != "resolved":
                repeats = before.repeats + 1 if before and entry.reason == "repeat" else 0
                memory.notified[url, entry.subject] = NotificationState(level=entry.level, at=now, repeats=repeats)

    def entries(self, name: str, url: str, truths: dict[Subject, Truth], now: datetime) -> list[Entry]:
        """Return what a target has to be told now, if nothing mutes it (6)."""
        repeat_interval = span(self.config["receivers"][name].get("repeat_interval", "4h"))
        entries = []
        for subject, truth in truths.items():
            notified = self.memories[name].notified.get((url, subject))
            level = concerning(name, subject, truth, notified, self.config)
            is_routed = level is not None and bool(routes_to(name, subject, level, self.config))
            reason = decide(notified, level, truth, repeat_interval, now, is_routed=is_routed)
            about = level or (notified.level if notified else None)
            if reason and about and not self.is_quiet_for(name, subject, about, truth, now):
                entries.append(Entry(subject=subject, level=about, reason=reason))
        return entries

    def is_quiet_for(self, name: str, subject: Subject, level: str, truth: Truth, now: datetime) -> bool:
        """Return True if a receiver hears nothing of a level now: it is muted, or all its routes are (6)."""
        if level in truth.muted_levels:
            return True
        routes = routes_to(name, subject, level, self.config)
        return bool(routes) and all(
            active_window(route.get("mute_windows"), subject[1], self.config, now) for route in routes
        )

    def note_ends(self, name: str, truths: dict[Subject, Truth], now: datetime) -> None:
        """Note ends without a message for a receiver with `send_resolved = false`, with a group as without (6 [2])."""
        receiver = self.config["receivers"][name]
        if receiver.get("send_resolved", True):
            return
        for url in receiver["urls"]:
            for entry in self.entries(name, url, truths, now):
                if entry.reason == "resolved":
                    del self.memories[name].notified[url, entry.subject]

    # ---- 7: delivery

    def enqueue(self, receiver: str, url: str, now: datetime) -> None:
        """Put a message into the outbox of a target (7)."""
        self.planned += 1
        row = Row(number=self.planned, receiver=receiver, created_at=now, due_at=now)
        self.targets.setdefault(url, Target()).rows.append(row)

    def enqueue_all(self, name: str, now: datetime, *, but: str = "") -> None:
        """Put a message about delivery into the outbox of a receiver's targets; it counts for `max_per_hour` (7)."""
        urls = [url for url in self.config["receivers"].get(name, {}).get("urls", []) if url != but]
        for url in urls:
            self.enqueue(name, url, now)
        if urls:
            self.memories.setdefault(name, Memory()).sent_at.add(now)

    def deliver(self, outcomes: dict[str, str], now: datetime) -> None:
        """Try what is due, each target for itself, and tell who is gone, as long as there is something (7)."""
        while self.try_all(outcomes, now) or self.notify_outages(now):
            pass

    def try_all(self, outcomes: dict[str, str], now: datetime) -> bool:
        """Try what is due to each target, the oldest message first, and return True if there was anything (7).

        Silent: a target that is no longer configured. It cannot be reached, and nobody is told of that.
        """
        tried = False
        due = {url: rows[0].number for url, target in self.targets.items() if (rows := target.due(now))}
        for url in sorted(due, key=lambda each: due[each]):
            target = self.targets[url]
            while rows := target.next(now):
                tried = True
                outcome = outcomes.get(url, "ok") if self.receiver_of(url) else "unreachable"
                settle(rows, outcome, now)
                for row in (row for row in rows if row.state == "dead"):
                    self.hand_over(row.receiver, now)
                self.note_attempt(url, outcome, rows[-1], now)
        return tried

    def receiver_of(self, url: str) -> str | None:
        """Return whose target a URL is."""
        return next((name for name, each in self.config["receivers"].items() if url in each["urls"]), None)

    def note_attempt(self, url: str, outcome: str, last: Row, now: datetime) -> None:
        """Note since when a target cannot be reached, and tell those who were told of it that it is back (7 [2]).

        Silent: a target that refuses whatever it is sent. It cannot be reached, for nothing gets through to it; unless
        it has taken a later message, for then it is the message.
        """
        target = self.targets[url]
        has_taken_later = any(row.state == "sent" and row.number > last.number for row in target.rows)
        if outcome == "refused" and target.gone_since is None and has_taken_later:
            return
        if outcome in {"refused", "unreachable"}:
            target.gone_since = target.gone_since or now if self.receiver_of(url) else None
            return
        for name in target.gone_told or ():
            self.enqueue_all(name, now, but=url)
        target.gone_since, target.gone_told = None, None

    def notify_outages(self, now: datetime) -> bool:
        """Tell once of each target that has been gone for half an hour, and return True if there was any (7 [2])."""
        news = [url for url, each in self.targets.items() if is_news(each, now) and self.receiver_of(url)]
        for url in news:
            self.targets[url].gone_told = self.told_of_outage(url)
            for name in self.targets[url].gone_told or ():
                self.enqueue_all(name, now, but=url)
        return bool(news)

    def told_of_outage(self, url: str) -> list[str]:
        """Return which receivers are told that a target is gone: the fallback, or else all others (7 [2]).

        Silent: a fallback that is gone itself. Then it is all others. Silent: a receiver that is the only one. Its
        other targets are told.
        """
        receivers = self.config["receivers"]
        own = self.receiver_of(url) or ""
        fallback = receivers[own].get("fallback")
        urls = receivers[fallback]["urls"] if fallback else []
        if any(not self.targets.get(each, Target()).gone_since for each in urls):
            return [fallback]
        return [name for name in receivers if name != own] or [own]

    def hand_over(self, name: str, now: datetime) -> None:
        """Give what was given up to the receiver's fallback, if it has one (7)."""
        fallback = self.config["receivers"].get(name, {}).get("fallback")
        self.enqueue_all(fallback or "", now)


def moved(at: datetime | None, by: timedelta) -> datetime | None:
    """Return an instant by a clock that has jumped."""
    return None if at is None else at + by


def looks_at(rule: Table, reason: str, can_evaluate: bool) -> bool:  # noqa: FBT001 - as its caller has it
    """Return True if a rule has alerts of this reason: each that it selects, or "*" for a sum and for polling (3).

    Silent: a sum that is none any more. It ends with the next successful poll.
    """
    if is_no_data(rule) or rule.get("per") in {"tenant", "all"}:
        return reason == "*"
    return not (can_evaluate and reason == "*") and selects(rule.get("reasons"), reason)


def is_no_data(rule: Table) -> bool:
    """Return True if a rule has a condition `no_data` (4.7)."""
    return any("no_data" in rule[level] for level in LEVELS if level in rule)


def is_falling(level: Table) -> bool:
    """Return True if fewer is worse: the peak of such an alert is its lowest count."""
    growth = level.get("growth", {})
    return "below" in level.get("threshold", {}) or "falls_by" in growth or "falls_percent" in growth


def limit_of(level: Table) -> object:
    """Return the limit under which a level fires, to know an edit of it (5 [2])."""
    spec = level.get("threshold", {})
    return (spec.get("above"), spec.get("below"))
