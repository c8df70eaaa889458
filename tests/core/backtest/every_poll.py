"""Replays without skipping, for what must hold of those that skip."""

from alerter.core.alerts import Alert
from alerter.core.backtest.alert_replay import AlertChange, AlertReplay


def changes(replay: AlertReplay) -> list[AlertChange]:
    """Return where an alert changes its state."""
    return [each for each in replay.changes() if each.transition is not None]


def changes_of_every_poll(replay: AlertReplay) -> list[AlertChange]:
    """Return where an alert changes its state if it is evaluated at every poll, and as it is then."""
    alert, found = Alert(key=replay.key), []
    for poll in replay.polls[replay.begin :]:
        change, _ = replay.evaluate_at(alert, poll)
        alert = change.alert
        if change.transition is not None:
            found.append(change)
    return found
