"""What is said of the driver's errors."""

from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, WTimeoutError

from services.history.mongo.database import said


def test_a_failed_write_is_told_by_its_codes_and_not_by_what_was_written():
    operation = {"q": {}, "u": {"$set": {"text": "a secret"}}}
    error = BulkWriteError(
        {
            "writeErrors": [{"index": number, "code": 112, "errmsg": "a secret", "op": operation} for number in (0, 1)],
            "writeConcernErrors": [{"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting"}],
        }
    )
    assert "a secret" in repr(error)
    assert said(error) == "BulkWriteError: 112, WriteConcernFailed 64"


def test_a_refused_command_is_told_by_its_code():
    unauthorized = {"code": 13, "codeName": "Unauthorized", "errmsg": "not to execute { text: 'a secret' }"}
    assert said(OperationFailure("a secret", 13, unauthorized)) == "OperationFailure: Unauthorized 13"
    assert said(WTimeoutError("late", 64)) == "WTimeoutError: 64"


def test_a_lost_connection_is_told_as_it_is():
    assert said(AutoReconnect("connection closed")) == "AutoReconnect('connection closed')"
    assert said(ConnectionResetError(104, "reset")) == "ConnectionResetError(104, 'reset')"
