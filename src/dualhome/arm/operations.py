"""Long-running operations: what a client polls until it is over (Azure-AsyncOperation, Location)."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from dualhome.arm.errors import ArmError
from dualhome.arm.store import Store

LOG: Final = logging.getLogger("dualhome.arm")
TABLE: Final = "operation"
KEEP_S: Final = 86400.0  # how long one that is over may be asked for


@dataclass(slots=True)
class Operation:
    """One. `due`: when it is over, in seconds of `time.time`; `status`: what GET of its Location answers then; `error`: an error's `inner`."""

    id: str
    resource: str
    due: float
    status: int = 200
    result: Any = None
    error: dict[str, Any] | None = None
    error_status: int = 400
    running: bool = False  # what it does isn't done yet, whatever `due` says
    begun: float = 0.0
    word: str = field(default="Succeeded")

    def over(self, now: float) -> bool:
        """Whether it has ended."""
        return not self.running and now >= self.due

    def body(self, now: float) -> dict[str, Any]:
        """What GET of its Azure-AsyncOperation URL answers."""
        if not self.over(now):
            return {"status": "InProgress", "startTime": stamp(self.begun)}
        times = {"startTime": stamp(self.begun), "endTime": stamp(max(self.due, self.begun))}
        if self.error is not None:
            return {"status": "Failed", "error": self.error, **times}
        return {"status": self.word, **times, **({"properties": self.result} if self.result is not None else {})}


class Operations:
    """All that were begun, in the store too: a client goes on polling after a restart."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store, self._now = store, now
        self._all: dict[str, Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        for key, text in store.rows(TABLE):
            operation = Operation(**json.loads(text))
            if operation.running:  # what it did went down with the process
                operation.running, operation.error = False, {"code": "OperationPreempted", "message": "The server was restarted meanwhile."}
                operation.error_status = 409
            self._all[key] = operation

    def get(self, id_: str) -> Operation | None:
        """By its id."""
        return self._all.get(id_)

    def begin(self, resource: str, seconds: float, status: int = 200, result: Any = None) -> Operation:
        """One that ends after so long."""
        now = self._now()
        self._sweep(now)
        operation = Operation(str(uuid.uuid4()), resource, now + seconds, status, result, begun=now)
        self._keep(operation)
        return operation

    def run(self, resource: str, what: Awaitable[Any], seconds: float = 0) -> Operation:
        """One that does something; its result is what that gives, an ArmError its failure."""
        operation = self.begin(resource, seconds)
        operation.running = True
        self._keep(operation)
        task = asyncio.get_running_loop().create_task(self._run(operation, what))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return operation

    async def _run(self, operation: Operation, what: Awaitable[Any]) -> None:
        try:
            operation.result = await what
        except ArmError as error:
            operation.error, operation.error_status = error.inner(), error.status
        except Exception:
            LOG.exception("operation %s on %s", operation.id, operation.resource)
            operation.error, operation.error_status = {"code": "InternalServerError", "message": "A fault of dualhome's: see its log."}, 500
        finally:
            operation.running = False
            self._keep(operation)

    def _keep(self, operation: Operation) -> None:
        self._all[operation.id] = operation
        self._store.write({(TABLE, operation.id): json.dumps(asdict(operation))})

    def _sweep(self, now: float) -> None:
        old = [key for key, each in self._all.items() if not each.running and each.due + KEEP_S < now]
        if old:
            for key in old:
                del self._all[key]
            self._store.write({}, [(TABLE, key) for key in old])


def stamp(seconds: float) -> str:
    """`2026-01-01T00:00:00.1234567Z`."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
