//! What a waiting room does, told as it happens.

use crate::script::check;

#[test]
fn a_visit_from_the_door_to_the_end() {
    check!(
        "0s alice joins
         1s bob joins
         3s bob checks in
         4s bob offers
         4s alice offers
         60s alice admits bob
         61s bob says hello
         62s alice tells bob welcome
         600s alice ends bob"
    );
}

#[test]
fn three_who_wait_in_order_of_check_in() {
    check!(
        "0s alice joins
         1s cay joins
         1s bob joins
         1s ann joins
         2s ann checks in
         2s bob checks in
         2s cay checks in
         3s dee joins
         3s dee checks in
         9s alice admits bob
         10s alice admits ann"
    );
}

#[test]
fn denied_with_words() {
    check!(
        "0s alice joins
         1s bob joins
         2s alice denies bob
         3s bob checks in
         4s alice denies bob"
    );
}

#[test]
fn leaving_the_queue_and_leaving_the_call() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s ann joins
         4s ann checks in
         5s bob leaves
         6s alice admits ann
         7s ann offers
         8s ann leaves
         9s ann joins
         20s alice leaves
         30s alice resumes
         31s everybody waits"
    );
}

#[test]
fn who_says_again_that_they_leave_has_left() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s alice admits bob
         4s bob leaves
         5s bob resumes
         5s bob repeats it
         6s store lists bob"
    );
}

#[test]
fn the_newest_tab_counts() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s bob offers
         4s bob joins
         5s bob resumes"
    );
}

/// Its seat is recorded all the same: the older tab's place in it is gone, and it is told so.
#[test]
fn a_tab_that_was_closed_at_once_counts() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s bob glances
         4s bob joins"
    );
}

#[test]
fn a_reload_keeps_the_place() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s bob drops
         9s bob resumes"
    );
}

#[test]
fn one_screen_at_a_time() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s bob asks to share
         4s alice admits bob
         5s alice lets bob share
         6s bob asks to share
         7s alice lets bob share
         8s alice shares with bob
         9s bob stops alice
         10s alice stops alice
         11s bob asks to share
         12s bob stops bob"
    );
}

#[test]
fn a_store_that_refuses_changes_nothing() {
    check!(
        "0s alice joins
         1s bob joins
         2s store refuses the next append
         3s bob checks in
         4s bob repeats it"
    );
}

#[test]
fn a_store_that_forgets_to_answer_is_asked_again() {
    check!(
        "0s alice joins
         1s bob joins
         2s store records the next append and forgets to say so
         3s bob checks in
         4s everybody waits
         5s store loses the next append and forgets to say so
         6s bob says hello
         7s everybody waits"
    );
}

#[test]
fn what_is_only_journaled_is_told_to_the_clinician_until_it_is_recorded() {
    check!(
        "0s alice joins
         1s bob joins
         2s store goes away
         3s bob checks in
         4s alice tells bob welcome
         5s store catches up
         6s bob says hello
         7s store answers again
         8s bob says again"
    );
}

#[test]
fn a_journal_that_was_overtaken_ends_the_room() {
    check!(
        "0s alice joins
         1s bob joins
         2s store goes away
         3s bob checks in
         4s store was overtaken"
    );
}

#[test]
fn a_command_sent_again_is_answered_again_even_after_a_restart() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s bob says hello
         4s bob repeats it
         5s server restarts
         6s bob resumes
         7s bob repeats it
         8s alice resumes"
    );
}

#[test]
fn a_restart_in_a_call() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s alice admits bob
         4s bob offers
         5s alice offers
         6s server restarts
         7s bob resumes
         7s bob offers
         8s alice resumes
         8s alice offers"
    );
}

#[test]
fn a_long_wait_becomes_the_desks_business() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         2000s everybody waits
         2001s server restarts
         3000s everybody waits"
    );
}

#[test]
fn a_wait_without_a_clinician_becomes_the_desks_business_sooner() {
    check!(
        "0s bob joins
         2s bob checks in
         400s alice joins
         401s alice admits bob"
    );
}

#[test]
fn a_clinician_who_reloads_keeps_the_warm_seats_and_one_who_goes_does_not() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s bob offers
         4s alice drops
         10s alice resumes
         20s alice drops
         60s everybody waits"
    );
}

#[test]
fn a_call_its_clinician_never_came_back_to() {
    check!(
        "0s alice joins
         1s bob joins
         2s bob checks in
         3s alice admits bob
         4s alice drops
         700s everybody waits"
    );
}

#[test]
fn estimates_come_from_recent_consultations() {
    check!(
        "0s alice joins
         1s ann joins
         1s ann checks in
         2s alice admits ann
         600s alice ends ann
         601s bob joins
         601s bob checks in
         602s alice admits bob
         1300s alice ends bob
         1301s cay joins
         1301s cay checks in
         1302s alice admits cay
         2000s alice ends cay
         2001s dee joins
         2001s dee checks in
         2002s eve joins
         2002s eve checks in"
    );
}

#[test]
fn who_never_came_is_closed_as_absent() {
    check!(
        "0s alice joins
         1s bob joins
         2s alice ends bob
         3s alice closes bob"
    );
}
