"""The sentences of the contract that are new in its second version, and the tests that hold each of them.

A sentence is named by its section and our own short words. The tests are named as pytest does, without parameters.
"""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

#: The section and what it says, and the tests that fail where it is not so.
TESTS_BY_SENTENCE: dict[str, tuple[str, ...]] = {
    "2.1 samples are the successful polls": (
        "reference/test_contract.py::test_the_samples_are_the_successful_polls",
        "reference/test_contract.py::test_a_count_from_before_the_lookback_is_no_sample_of_a_forecast",
    ),
    "2.1 a failed or a missed poll ends a run": (
        "reference/test_contract.py::test_a_missed_poll_ends_a_run_of_coverage",
        "reference/test_contract.py::test_a_pause_of_one_tenant_is_one_of_the_sum_over_all",
        "reference/test_contract.py::test_the_seconds_between_the_last_polls_of_two_tenants_count_towards_for_of_a_sum",
        "reference/test_contract.py::test_weeks_of_which_one_tenant_had_a_poll_do_not_count_towards_for_of_a_sum",
        "core/test_import_merge.py::test_a_run_goes_on_across_no_failed_poll",
    ),
    "2.1 a gap of two intervals is bridged, a longer one is not": (
        "reference/test_contract.py::test_growth_bridges_a_gap_of_up_to_two_intervals",
        "reference/test_contract.py::test_growth_does_not_bridge_a_longer_gap",
        "core/conditions/test_stagnant.py::test_gaps_of_up_to_two_intervals_are_bridged",
    ),
    "2.1 export, import, replay and service use the same polls": (
        "storage/test_import_export.py::test_an_export_gives_the_same_history_in_another_database",
        "storage/test_import_export.py::test_a_replay_of_the_copy_is_that_of_the_original",
        "test_replay.py::test_a_replay_of_what_was_stored_is_what_happened",
        "test_replay.py::test_a_replay_judges_at_the_polls_that_there_were",
        "test_cli_backtest.py::test_what_was_live_is_what_a_backtest_finds",
    ),
    "2.2 an answer that announces more is not good": (
        "reference/test_answers.py::test_an_answer_that_says_that_there_is_more_is_not_good",
        "sources/test_responses.py::test_an_answer_that_announces_more_than_it_holds_is_refused",
    ),
    "3 the signs of a pattern": (
        "reference/test_patterns.py::test_patterns_select_what_the_contract_says",
        "reference/test_patterns.py::test_what_is_new_of_patterns",
    ),
    "3 a name as it is shown selects itself": (
        "reference/test_patterns.py::test_a_name_that_is_printed_to_be_pasted_selects_itself_and_nothing_else",
    ),
    "3 what is printed to be pasted is escaped for its place": (
        "test_cli_suggest.py::test_rules_for_names_that_hurt_can_be_pasted_and_select_them",
        "test_cli_names.py::test_what_a_hint_prints_is_read_by_a_shell_as_one_name",
        "test_cli_completion.py::test_a_hostile_name_is_inserted_as_that_name",
    ),
    "3 a pattern that matches nothing seen is reported": (
        "test_cli_names.py::test_a_glob_that_matches_nothing_seen_is_said_where_it_is_typed",
        "test_cli_names.py::test_check_config_says_which_glob_matches_nothing_that_was_seen",
        "doctor/test_rules.py::test_of_several_globs_each_that_matches_nothing_is_told",
    ),
    "4.8 new conditions say until when they learn": (
        "test_cli_learning.py::test_status_says_until_when_each_rule_learns",
        "test_cli_learning.py::test_a_rule_of_a_tenant_that_was_never_polled_says_how_long_it_will_learn",
        "test_cli_rules.py::test_a_rule_that_learns_says_until_when",
    ),
    "5 unknown time counts towards neither span": (
        "reference/test_contract.py::test_unknown_time_does_not_count_towards_for",
        "reference/test_contract.py::test_unknown_time_does_not_count_towards_keep_firing_for",
        "reference/test_contract.py::test_two_gaps_with_a_poll_between_them_that_decides_nothing_do_not_end_an_alert",
        "reference/test_contract.py::test_a_gap_does_not_count_towards_for_of_a_sum_over_all",
        "reference/test_contract.py::test_a_pause_of_less_than_two_intervals_does_not_end_a_sum_over_all",
    ),
    "5 a firing alert without data says since when": (
        "test_cli_nagios.py::test_an_alert_without_data_says_since_when_wherever_it_is_shown",
        "core/test_alerts.py::test_a_firing_alert_without_data_for_two_intervals_has_none",
    ),
    "5 clear_at belongs to the limit in force": (
        "reference/test_contract.py::test_clear_at_holds_only_what_fired_under_the_limit_in_force",
        "reference/test_contract.py::test_clear_at_holds_what_is_beyond_an_edited_limit_once_more",
    ),
    "6 the end reaches everyone who knows of the alert": (
        "reference/test_contract.py::test_whoever_was_told_of_an_alert_is_told_of_its_end",
        "reference/test_contract.py::test_the_end_of_an_alert_whose_rule_is_gone_is_told",
    ),
    "6 an end that is not sent is noted": ("reference/test_contract.py::test_an_end_that_is_not_sent_is_noted",),
    "6 a new target gets what fires": (
        "reference/test_contract.py::test_a_target_that_is_new_is_told_what_fires",
        "reference/test_contract.py::test_targets_that_know_different_things_are_told_within_the_same_limit",
    ),
    "6 a broken acknowledgement stays broken, and is news at once": (
        "reference/test_contract.py::test_an_acknowledgement_that_is_broken_stays_broken",
        "reference/test_contract.py::test_a_rise_breaks_an_acknowledgement_for_good",
        "reference/test_contract.py::test_an_acknowledgement_breaks_while_growth_has_no_data",
        "reference/test_contract.py::test_whoever_cannot_be_told_of_the_break_at_once_is_told_later",
    ),
    "6 an acknowledgement can be taken back": (
        "reference/test_contract.py::test_an_acknowledgement_can_be_taken_back",
        "test_cli_mutes.py::test_an_acknowledgement_can_be_taken_back",
    ),
    "6 mute windows go by the wall clock": (
        "reference/test_contract.py::test_mute_windows_look_at_the_wall_clock",
        "reference/test_contract.py::test_a_mute_window_of_a_route_looks_at_the_clock_of_the_tenant",
    ),
    "7 a refused message is tried in short, and holds nothing up": (
        "reference/test_contract.py::test_a_message_that_is_refused_is_tried_in_short_at_once",
        "reference/test_contract.py::test_later_messages_do_not_wait_for_one_that_is_refused",
        "core/test_outbox.py::test_what_is_refused_as_such_waits_as_long_and_holds_nothing_up",
    ),
    "7 messages fit what a service takes": (
        "core/message/test_draft.py::test_a_storm_is_counted_not_listed",
        "notifiers/test_plugins.py::test_no_service_is_handed_more_than_it_takes",
    ),
    "7 each addressee of a mail is accounted for": (
        "notifiers/test_apprise.py::test_of_several_addressees_the_refused_one_is_named",
        "jobs/test_notify.py::test_a_digest_is_of_what_the_same_addressees_lack",
        "jobs/test_notify.py::test_an_addressee_who_has_a_message_gets_no_copy_by_the_fallback",
    ),
    "7 what was in flight is sent again once its sender is gone": (
        "faults/test_kills.py::test_what_a_daemon_had_in_flight_is_sent_by_the_next_one_at_once",
        "storage/test_outbox.py::test_what_was_in_flight_before_is_due_for_whoever_has_the_database_for_itself",
    ),
    "7 an unreachable target is news after half an hour": (
        "reference/test_contract.py::test_a_target_that_is_gone_for_half_an_hour_is_news",
        "reference/test_contract.py::test_a_target_that_refused_a_message_before_can_be_gone",
        "jobs/test_notify.py::test_a_server_that_is_gone_after_one_addressee_took_a_mail_cannot_be_reached",
    ),
    "7 a late copy by the fallback says so": (
        "reference/test_contract.py::test_what_reaches_a_fallback_late_says_so",
        "jobs/test_notify.py::test_what_reaches_the_fallback_a_day_late_is_told_as_it_is_by_then",
    ),
    "7 a digest begins with what fires": (
        "reference/test_contract.py::test_a_digest_begins_with_all_that_fires_now",
        "core/message/test_digest.py::test_a_digest_begins_with_what_fires_then_says_what_came_and_went",
    ),
    "7 new critical alerts and no_data pass max_per_hour": (
        "reference/test_contract.py::test_what_is_new_and_critical_passes_always",
        "reference/test_contract.py::test_no_data_passes_always",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", TESTS_BY_SENTENCE)
def test_each_test_of_a_sentence_exists(sentence: str) -> None:
    """A test that is renamed is renamed here as well."""
    for each in TESTS_BY_SENTENCE[sentence]:
        file, _, name = each.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, each


def test_each_story_of_the_contract_belongs_to_a_sentence() -> None:
    """A story that no sentence names would be of something else."""
    known = {each for names in TESTS_BY_SENTENCE.values() for each in names}
    tree = ast.parse((TESTS / "reference" / "test_contract.py").read_text(encoding="utf-8"))
    stories = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}

    assert {name for name in stories if f"reference/test_contract.py::{name}" not in known} == set()
