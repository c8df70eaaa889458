"""The composition root: builds the adapters from the configuration."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from hashlib import sha256
from tempfile import TemporaryDirectory
from threading import Event

from alerter.clock import now
from alerter.config import ApiVersion, Config, TenantConfig
from alerter.core.message.render import compose_test_message
from alerter.core.outbox import Delivery, TargetName
from alerter.core.routes import ReceiverName
from alerter.errors import DeliveryError, StoreError
from alerter.jobs.deliver import deliver, release_claims
from alerter.jobs.notify import flush_groups
from alerter.jobs.poll import PollCycle, poll, poll_dry_run, reconcile
from alerter.notifiers.apprise import AppriseNotifier
from alerter.notifiers.pictures import NO_LIBRARY_TEXT, is_library_installed
from alerter.redaction import Redactor
from alerter.service.alerting_config import build_alerting_config, build_message_context
from alerter.service.membership import Clocks, Membership, SingleNode
from alerter.sources import mimecast
from alerter.sources.mimecast import REGIONS_V1, REGIONS_V2, Limits, Lines, MimecastSource
from alerter.storage import SchemaState, Store

log = logging.getLogger(__name__)

#: The targets that messages are sent to at the same time.
DELIVERY_WORKERS = 8


def open_membership(
    store: Store, clocks: Clocks, *, name: str, version: str, changed: Callable[[], None]
) -> Membership:
    """Return how an instance takes part in a database.

    Args:
        store: The database.
        clocks: Those of this machine.
        name: Of the instance, for people.
        version: Of alerter.
        changed: Called from a thread after each renewal, which may have changed the share.
    """
    leases = store.leases()
    if leases is None:
        return SingleNode(store, clocks)
    # Only where it is needed: an instance that has the database for itself is a little leaner.
    from alerter.service.cluster import Cluster  # noqa: PLC0415 - see above

    return Cluster(store, leases, clocks, name=name, version=version, changed=changed)


def upgrade_schema(store: Store) -> None:
    """Upgrade the schema if it is not this version's.

    Raises:
        StoreError: It cannot be done, or the database was written by a newer alerter.
    """
    if store.schema_state() is not SchemaState.CURRENT:
        done = store.upgrade()
        log.info("database upgraded from=%s to=%s backup=%s", done.before or "nothing", done.after, done.backup)


#: Of a fetch of the daemon's: its workers are free again when a rate limit is over, rather than wait for it.
DAEMON_LIMITS = Limits(max_rate_wait=timedelta(0))


def build_source(
    tenant: TenantConfig,
    *,
    stop: Event,
    limits: Limits | None = None,
    lines: Lines | None = None,
    redactor: Redactor | None = None,
) -> MimecastSource:
    """Return the Mimecast account of a tenant.

    Args:
        tenant: Whose.
        stop: Ends a fetch at once when it is set.
        limits: What one fetch may take; None for what is usual.
        lines: Connections that it shares with other tenants' accounts; None for some of its own.
        redactor: Gets to know its tokens; None for one of its own.
    """
    return MimecastSource(
        tenant=tenant.name,
        base_url=_base_url(tenant),
        keys=_keys(tenant),
        clock=now,
        monotonic=time.monotonic,
        stop=stop,
        limits=limits or Limits(),
        lines=lines,
        redactor=redactor,
    )


def _base_url(tenant: TenantConfig) -> str:
    if tenant.base_url is not None:
        return tenant.base_url
    regions = REGIONS_V2 if tenant.api is ApiVersion.V2 else REGIONS_V1
    return regions[tenant.host]


def _keys(tenant: TenantConfig) -> mimecast.OAuthKeys | mimecast.SigningKeys:
    kind = mimecast.OAuthKeys if tenant.api is ApiVersion.V2 else mimecast.SigningKeys
    return kind(**tenant.keys)


def target_urls(config: Config, receiver: ReceiverName | None = None) -> Mapping[TargetName, str]:
    """Return where each target is, of all receivers or of one. The values are secrets."""
    return {
        target.name: target.url
        for each in config.receivers
        for target in each.targets
        if receiver is None or each.receiver.name == receiver
    }


def url_problem(url: str) -> str:
    """Return why no message can be sent to a URL, found without any network; empty where one can."""
    try:
        AppriseNotifier().check(url)
    except DeliveryError as error:
        return str(error)
    return ""


def picture_problem(url: str) -> str:
    """Return why no picture can go along with messages to a URL, found without any network; empty where one can."""
    if not is_library_installed():
        return NO_LIBRARY_TEXT
    try:
        return AppriseNotifier().picture_problem(url)
    except DeliveryError:
        return ""  # that is a problem of its own


def poll_once(config: Config, store: Store, *, is_dry: bool) -> Iterator[PollCycle]:
    """Poll every tenant once, in turn.

    Raises:
        StoreError: A cycle could not be kept.
    """
    alerting = build_alerting_config(config)
    stop = Event()
    if not is_dry:
        reconcile(store, alerting, now=now())
    with closing(Lines(time.monotonic)) as lines:
        for name, tenant in config.tenants.items():
            source = build_source(tenant, stop=stop, lines=lines)
            yield (poll_dry_run if is_dry else poll)(name, source, store, alerting, clock=now)
            source.close()


def has_firing_alerts(store: Store) -> bool:
    """Say whether an alert is firing."""
    with store.read() as reader:
        return bool(reader.alerts.firing_by_severity())


@contextmanager
def open_store_for_poll(config: Config, *, is_dry: bool) -> Iterator[Store]:
    """Open the database for one poll: alone, like a daemon; or, for a dry run, such that nothing is created.

    Raises:
        StoreError: It cannot be used, or a daemon uses it.
    """
    with ExitStack() as stack:
        store = stack.enter_context(closing(Store(config.service.database)))
        if not is_dry:
            # The lock first: no running daemon of an older version may lose its schema.
            stack.enter_context(store.lock())
            upgrade_schema(store)
        elif store.schema_state() is SchemaState.MISSING:
            store = stack.enter_context(_empty_store())
        elif store.schema_state() is not SchemaState.CURRENT:
            raise StoreError("the database has another schema than this version's: run `alerter db upgrade`")
        yield store


@contextmanager
def open_store_for_import(config: Config, *, is_dry: bool) -> Iterator[Store]:
    """Open the database to import into, beside a daemon that may run; there need not be one yet.

    Raises:
        StoreError: It cannot be used, or has another schema than this version's.
    """
    with ExitStack() as stack:
        store = stack.enter_context(closing(Store(config.service.database)))
        match store.schema_state():
            case SchemaState.CURRENT:
                pass
            case SchemaState.MISSING if is_dry:
                store = stack.enter_context(_empty_store())
            case SchemaState.MISSING:
                with store.lock():
                    upgrade_schema(store)
            case SchemaState.OLDER | SchemaState.NEWER:
                raise StoreError("the database has another schema than this version's: run `alerter db upgrade`")
        yield store


@contextmanager
def _empty_store() -> Iterator[Store]:
    """Open a database that is gone afterwards."""
    with (
        TemporaryDirectory(prefix="alerter-") as scratch,
        closing(Store(f"sqlite:///{scratch}/alerter.db")) as store,
    ):
        store.upgrade()
        yield store


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTest:
    """What a target made of a test message.

    Attributes:
        target: Which one.
        error: Why it was not sent; None if it was.
        no_picture: Why no picture went along that its receiver wants; empty if one did, or none is wanted.
    """

    target: TargetName
    error: str | None = None
    no_picture: str = ""


def send_test(config: Config, receiver: str) -> dict[TargetName, str | None]:
    """Send a test message to each target of a receiver; return what went wrong with each, None for nothing."""
    return {each.target: each.error for each in send_tests(config, receiver)}


def send_tests(
    config: Config, receiver: str, *, on_target: Callable[[TargetName], None] = lambda _: None
) -> list[TargetTest]:
    """Send a test message to each target of a receiver, one after the other.

    Args:
        config: Knows them.
        receiver: One of its receivers.
        on_target: Called before each target, which may take as long as a delivery.
    """
    (found,) = (each.receiver for each in config.receivers if each.receiver.name == receiver)
    message = compose_test_message(found, build_message_context(config), now=now())
    without: list[str] = []
    notifier = AppriseNotifier(on_chart=lambda _, why: without.append(why))
    tests = []
    for target, url in target_urls(config, ReceiverName(receiver)).items():
        on_target(target)
        without.clear()
        try:
            notifier.deliver(message, url)
        except DeliveryError as error:
            tests.append(TargetTest(target=target, error=str(error)))
            continue
        why = picture_problem(url) if found.charts else ""
        tests.append(TargetTest(target=target, no_picture=why or "".join(without)))
    return tests


def deliver_once(config: Config, store: Store) -> list[Delivery]:
    """Send what is due, to all targets at the same time; return what was tried."""
    alerting = build_alerting_config(config)
    release_claims(store, now=now())
    flush_groups(store, alerting, now=now())
    with ThreadPoolExecutor(DELIVERY_WORKERS, thread_name_prefix="deliver") as pool:
        return deliver(store, AppriseNotifier(), target_urls(config), alerting=alerting, clock=now, map_=pool.map)


def config_fingerprint(*parts: object) -> str:
    """Return a digest of what a configuration decides, the same in every process that decides the same.

    No secret is in what it is made of: no key, and of the URL of a target a digest alone, by which its target is known.

    Args:
        parts: Dataclasses, collections and plain values, of the configuration's own kinds.
    """
    return sha256(repr(_in_order(parts)).encode()).hexdigest()[:16]


def _in_order(value: object) -> object:
    """Return a value as tuples of plain ones; what has no order of its own gets one."""
    if is_dataclass(value):
        return type(value).__name__, *(_in_order(getattr(value, each.name)) for each in fields(value))
    if isinstance(value, Mapping):
        return "by name", *sorted((repr(key), repr(_in_order(each))) for key, each in value.items())
    if isinstance(value, frozenset | set):
        return "any order", *sorted(repr(_in_order(each)) for each in value)
    if isinstance(value, list | tuple):
        return tuple(map(_in_order, value))
    return repr(value)
