import socket

from tuneloop.stack.local_ports import HOST, RANGE, free_port, is_free, settle_ports


def listener() -> socket.socket:
    taken = socket.create_server((HOST, 0))
    taken.listen()
    return taken


def test_a_port_with_a_listener_is_not_free_and_is_again_afterwards():
    with listener() as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_a_free_port_lies_in_our_range_and_not_among_those_to_avoid():
    first = free_port()
    assert first in RANGE
    assert free_port(avoid=[first]) != first


def test_every_name_gets_a_port_of_its_own():
    settled = settle_ports({}, ["a", "b", "c"], in_use_by_us=())
    assert len(set(settled.values())) == 3


def test_a_free_port_is_remembered():
    remembered = {"a": free_port()}
    assert settle_ports(remembered, ["a"], in_use_by_us=()) == remembered


def test_a_port_that_somebody_else_has_taken_is_replaced():
    with listener() as taken:
        port = taken.getsockname()[1]
        assert settle_ports({"a": port}, ["a"], in_use_by_us=())["a"] != port


def test_a_port_that_our_own_service_listens_on_is_kept():
    with listener() as taken:
        port = taken.getsockname()[1]
        assert settle_ports({"a": port}, ["a"], in_use_by_us={"a"})["a"] == port
