import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tuneloop.stack.examination import answers


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 500)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_only_a_200_is_an_answer(server):
    assert answers(f"{server}/health")
    assert not answers(f"{server}/other")


def test_nobody_listening_is_no_answer():
    assert not answers("http://127.0.0.1:1/health")
