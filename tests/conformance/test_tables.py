"""The tables of the suite are whole: nothing is left out that is not named."""

from schemas.verbs import VERBS as SPECS
from services.gateway.doors.http import openapi
from tests.conformance.behaviours import ACCEPTED, REFUSED, UNPROVOKED
from tests.conformance.doors import CALLS, LEFT_OUT, MISSING, READS, SPELLED_AGAIN, VERBS, is_a_command
from tests.conformance.scene import Scene


def test_every_refusal_of_every_verb_is_provoked_or_named_as_not():
    provoked = {(one.step.verb, one.code) for one in REFUSED}
    assert provoked | UNPROVOKED == {(verb, code) for verb in VERBS for code in SPECS[verb].refusals}
    assert provoked.isdisjoint(UNPROVOKED)


def test_every_verb_is_accepted_once():
    assert sorted(ACCEPTED) == VERBS


def test_every_operation_of_the_openapi_document_is_a_verb_or_a_read():
    served = {(method.upper(), path) for path, operations in openapi()["paths"].items() for method in operations}
    said = {(call.method, call.path.replace("{seq}", "{message}")) for call in CALLS.values()}
    assert said | SPELLED_AGAIN | READS == served


def test_every_verb_is_said_over_rest_or_named_as_missing():
    assert frozenset(VERBS) == MISSING | CALLS.keys()
    assert MISSING.isdisjoint(CALLS)


def test_every_field_that_rest_leaves_out_is_named():
    used = {(one.step.verb, name) for one in (*REFUSED, *ACCEPTED.values()) for name in one.step.fields}
    assert {(verb, name) for verb, name in used if verb in CALLS and name not in CALLS[verb].fields} == LEFT_OUT


def test_behaviours_are_refused_for_their_own_reasons_and_not_for_their_shape():
    for behaviour in (*REFUSED, *ACCEPTED.values()):
        scene = Scene(None)
        scene.pretend(message=1, invite="an-invite")
        fields = scene.fields_of(behaviour.step, "c")
        assert is_a_command({"type": behaviour.step.verb, "actor": "ann", "command_id": "c", **fields})
