"""The tables of the suite are whole: nothing is left out that is not named."""

from schemas.commands import COMMANDS
from schemas.verbs import VERBS as SPECS
from services.gateway.doors.http import openapi
from tests.bed.rest import CALLS, LEFT_OUT, LINKS
from tests.conformance.behaviours import ACCEPTED, REFUSED, REPEATABLE, UNPROVOKED, WHOLE
from tests.conformance.doors import READS, VERBS, is_a_command
from tests.conformance.scene import Scene

OF_EVERY_REQUEST = {"type", "actor", "client", "command_id", "retry"}
"""What a request says by its path, its token and its headers, and `client`, which only a gate may say."""


def test_every_refusal_of_every_verb_is_provoked_or_named_as_not():
    provoked = {(one.step.verb, one.code) for one in REFUSED}
    assert provoked | UNPROVOKED == {(verb, code) for verb in VERBS for code in SPECS[verb].refusals}
    assert provoked.isdisjoint(UNPROVOKED)


def test_every_verb_is_accepted_once():
    assert sorted(ACCEPTED) == VERBS


def test_every_operation_of_the_openapi_document_says_a_verb_or_reads():
    served = {(method.upper(), path) for path, operations in openapi()["paths"].items() for method in operations}
    calls = (*CALLS.values(), *LINKS.values())
    said = {(call.method, call.path.replace("{room}.{invite}", "{token}")) for call in calls}
    assert said | READS == served
    assert said.isdisjoint(READS)


def test_every_verb_is_said_over_rest():
    assert sorted(CALLS) == VERBS


def test_every_field_of_every_verb_is_said_over_rest_or_named_as_left_out():
    own = {(verb, name) for verb in VERBS for name in COMMANDS[verb].model_fields.keys() - OF_EVERY_REQUEST}
    assert own - {(verb, name) for verb, call in CALLS.items() for name in call.fields} == LEFT_OUT


def test_every_field_of_a_verb_that_makes_an_event_is_heard_of():
    for verb in REPEATABLE - {"create"}:
        assert WHOLE[verb].step.fields.keys() == COMMANDS[verb].model_fields.keys() - OF_EVERY_REQUEST - {"room"}


def test_behaviours_are_refused_for_their_own_reasons_and_not_for_their_shape():
    for behaviour in (*REFUSED, *ACCEPTED.values(), *WHOLE.values()):
        scene = Scene(None)
        scene.pretend(message=1, invite="an-invite")
        fields = scene.fields_of(behaviour.step, "c")
        assert is_a_command({"type": behaviour.step.verb, "actor": "ann", "command_id": "c", **fields})
