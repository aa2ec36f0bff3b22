"""An engine on a Dask cluster: each worker process carries out one cell at a time.

This is the driver's side; the workers' is ``remote.py``. The driver itself says which worker does which cell, so
nothing of Dask's scheduling decides: no worker has two cells, none is stolen, and a cell that waits is not blamed for
a worker that dies. Results are taken as they come and released at once.

To wake Dask's thread takes longer than what it does then, so it is woken once for several cells.
"""

import asyncio
import pickle
import queue
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from distributed import Client, Future

from glorot.datasets.local import AnyData, LocalData
from glorot.errors import ClusterError, DataError, DeviceError
from glorot.execution import remote, sending
from glorot.execution.engine import GivenBack, Message, Progress, Tasks
from glorot.execution.sending import reason
from glorot.execution.versions import differences
from glorot.sweeps.runs import Run
from glorot.training.cell import Outcome, failure, now

DEATHS = 3  # workers that a cell may take with it before it has failed
LOOK_SECONDS = 1.0  # between two looks at which workers there are
PROGRESS_SECONDS = 2.0  # between two reports of a cell, and more where there are many cells
TAKE_SECONDS = 1.0  # the least time between two times that results are taken
COLLECT_SECONDS = 0.02  # the most that the first of several messages waits for others
STOP_SECONDS = 60.0  # how long cells may take to save their states
GONE = (
    "the scheduler of the cluster does not answer any more; what has finished is stored, and the same command goes on "
    "from there"
)


@dataclass
class Member:
    """A worker of the cluster. refused: why it gets no cells; empty where it gets them. gpu: the name of its own."""

    address: str
    threads: int
    host: str = ""
    data_folder: Path = Path()
    gpu: str = ""
    refused: str = ""
    cell: "Cell | None" = None


@dataclass
class Cell:
    """A cell at a worker. tasks: as its worker needs them. update: how far it is; -1 before it has begun.

    future: for Dask's thread only, which releases it once it is taken: once what it has returned, or why there is
    nothing, is here. dropped: whether the engine has the cell no more.
    """

    key: str
    run: Run
    member: Member
    tasks: Tasks
    future: Future | None = None
    update: int = -1
    taken: bool = False
    dropped: bool = False


class _Finished:
    """A message: the task has ended, and its worker is free."""


@dataclass
class Deaths:
    """Workers that died with a cell without its getting further. update: the furthest it has been."""

    hosts: list[str] = field(default_factory=list)
    update: int = -1


class DaskEngine:
    """An Engine on the cluster of a Dask client.

    needed: the data sets of all cells. jobs: most cells at a time; None: one for each worker. is_shared: whether the
    workers see tasks.checkpoint_folder too. tell: is told, in lines, what is of note. Raises ClusterError where a
    worker that is there has other versions, and DataError where it lacks data.
    """

    def __init__(
        self,
        client: Client,
        tasks: Tasks,
        device: str,
        needed: Sequence[AnyData] = (),
        jobs: int | None = None,
        is_shared: bool = False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.client, self.tasks, self.device, self.needed = client, tasks, device, list(needed)
        self.jobs, self.is_shared, self.tell = jobs, is_shared, tell
        self.members: dict[str, Member] = {}
        self._cells: dict[str, Cell] = {}
        self._deaths: dict[str, Deaths] = {}
        self._inbox: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._topic, self._started, self._looked = f"glorot-{uuid.uuid4().hex}", 0, 0.0
        self._idle_since: float | None = None
        self._begun: list[Cell] = []  # those that Dask does not know yet
        self._finished: dict[str, Future] = {}  # used in Dask's thread only, as is the next
        self._waiting: set[asyncio.Future[None]] = set()
        self._taken_at = 0.0
        with _scheduler():
            client.subscribe_topic(self._topic, self._heard)
            self._look()
        refused = [member for member in self.members.values() if member.refused]
        if refused:
            error = DataError if all(_is_about_data(member) for member in refused) else ClusterError
            raise error("\n".join(dict.fromkeys(f"worker {one.address}: {one.refused}" for one in refused)))

    # The Engine. ------------------------------------------------------------------------------------

    def capacity(self, cells: int) -> int:
        self._look_again()
        usable = sum(not member.refused for member in self.members.values())
        finished = sum(cell.member.cell is not cell for cell in self._cells.values())  # their workers are free
        return min(min(usable, self.jobs or usable) + finished, cells)

    def start(self, run: Run) -> None:
        member = next(one for one in self.members.values() if not one.refused and one.cell is None)
        self._started += 1
        key = f"glorot-{run.run_id}-{self._started}-{self._topic[-8:]}"
        if not (self.is_shared or self.tasks.afresh):
            sending.send_states(self.client, self.tasks, run, member.address)
        tasks = replace(self.tasks, data_folder=member.data_folder, threads=member.threads)
        cell = Cell(key, run, member, tasks)
        self._cells[key] = member.cell = cell
        self._begun.append(cell)

    def messages(self, timeout: float) -> Iterator[tuple[Run, Message]]:
        """Raises ClusterError where the scheduler is gone."""
        if self._begun:
            begun, self._begun = self._begun, []
            self._in_loop(self._submit, begun)
        for key, what in self._heard_within(timeout):
            cell = self._cells.get(key)
            if cell is not None:
                yield from self._said(cell, what)
        if self.client.status != "running":
            raise ClusterError(GONE)
        self._look_again()
        for cell in list(self._cells.values()):
            if cell.member.address not in self.members:
                yield from self._lost(cell, f"its worker on {cell.member.host} is gone")

    def stop(self) -> list[tuple[Run, Outcome]]:
        ended: list[tuple[Run, Outcome]] = []
        self._begun = []
        saving = {cell.key for cell in self._cells.values() if cell.update >= 0}
        try:
            if self._cells and self.client.status == "running":
                addresses = [cell.member.address for cell in self._cells.values()]
                answers = self.client.run(remote.ask_to_stop, sorted(self._cells), workers=addresses, on_error="return")
                saving.update(*(keys for keys in answers.values() if isinstance(keys, set)))
            deadline = time.monotonic() + STOP_SECONDS
            while saving & self._cells.keys() and time.monotonic() < deadline:
                for run, message in self.messages(timeout=0.2):
                    if isinstance(message, Outcome) and message.status != "failed":
                        ended.append((run, message))
        except (
            ClusterError,
            OSError,
            RuntimeError,
        ):  # their workers see that the scheduler is gone, and save the states themselves
            pass
        finally:
            for cell in list(self._cells.values()):
                self._drop(cell)
        return ended

    # What workers say. ------------------------------------------------------------------------------

    def _heard(self, event: tuple[float, dict[str, Any]]) -> None:
        """In Dask's thread: a message of a cell under way."""
        self._inbox.put((event[1]["key"], event[1]))

    def _in_loop(self, do: Callable[..., Any], *arguments: Any) -> None:
        """Have it done in Dask's thread, some time later."""
        loop: Any = self.client.loop
        loop.add_callback(do, *arguments)

    def _submit(self, cells: Sequence[Cell]) -> None:
        """In Dask's thread: give cells to their workers."""
        seconds = max(PROGRESS_SECONDS, len(self.members) / 20)
        for cell in cells:
            if cell.dropped:
                continue
            try:
                cell.future = self.client.submit(
                    remote.work, cell.key, cell.run, cell.tasks, self.is_shared, self._topic, seconds,
                    key=cell.key, workers=[cell.member.address], allow_other_workers=False, pure=False,
                )  # fmt: skip
            except Exception as error:  # the connection is lost
                self._inbox.put((cell.key, error))
            else:
                waiting = asyncio.ensure_future(self._wait_for(cell.key, cell.future))
                self._waiting.add(waiting)
                waiting.add_done_callback(self._waiting.discard)

    async def _wait_for(self, key: str, future: Future) -> None:
        """In Dask's thread: wait for a task to end. Then its worker is free, and what it returns is taken soon."""
        with suppress(BaseException):  # CancelledError too: what is wrong is found where the result is taken
            await future.exception(asynchronous=True)
        self._inbox.put((key, _Finished()))
        self._finished[key] = future
        if len(self._finished) == 1:
            loop: Any = self.client.loop
            loop.call_at(max(loop.time(), self._taken_at + TAKE_SECONDS), self._take)

    async def _take(self) -> None:
        """In Dask's thread: take what tasks have returned from their workers, that of several at once."""
        finished, self._finished, loop = self._finished, {}, cast(Any, self.client.loop)
        self._taken_at = loop.time()
        try:
            results = await self.client.gather(list(finished.values()), asynchronous=True)
        except BaseException:  # of one of them
            results = [await self._taken(future) for future in finished.values()]
        for key, result in zip(finished, results, strict=True):
            self._inbox.put((key, result))
            finished[key].release()

    async def _taken(self, future: Future) -> Any:
        """What a task has returned, or why there is nothing."""
        try:
            return await self.client.gather(future, asynchronous=True)
        except BaseException as error:  # of a task whose worker or scheduler is gone
            return error

    def _heard_within(self, timeout: float) -> Iterator[tuple[str, Any]]:
        with suppress(queue.Empty):
            yield self._inbox.get(timeout=timeout)
            time.sleep(min(COLLECT_SECONDS, len(self.members) / 1000))
            while True:
                yield self._inbox.get_nowait()

    def _said(self, cell: Cell, what: Any) -> Iterator[tuple[Run, Message]]:
        cell.taken = not isinstance(what, _Finished | dict)
        if isinstance(what, _Finished):
            cell.member.cell, cell.update = None, max(cell.update, 0)
        elif isinstance(what, dict) and "left" in what:
            if what["state"]:
                sending.keep_state(self.tasks, *what["state"])
            self._drop(cell)
            yield cell.run, GivenBack(f"its worker on {cell.member.host} closes; it goes on elsewhere")
        elif isinstance(what, dict):
            cell.update = what["update"]
            yield cell.run, Progress(what["update"], what["row"])
        elif isinstance(what, bytes):
            what = pickle.loads(what)
            self._drop(cell)
            if what.state:
                sending.keep_state(self.tasks, *what.state)
            if what.leaving:
                cell.member.refused = "its lifetime ends"
            if isinstance(what.outcome, Outcome):
                self._deaths.pop(cell.run.run_id, None)
                yield cell.run, what.outcome
            elif what.problem:
                yield from self._died(cell, f"its worker on {cell.member.host} has a problem: {what.problem}")
            elif isinstance(what.outcome, DeviceError):
                self._refuse(cell.member, str(what.outcome))
                yield cell.run, GivenBack("its worker has no device any more; it goes on elsewhere")
            else:
                why = "the lifetime of its worker ends" if what.leaving else "interrupted"
                yield cell.run, GivenBack(f"{why} on {cell.member.host}; it goes on elsewhere")
        elif self.client.status == "running":
            yield from self._lost(cell, f"no result came from its worker on {cell.member.host}: {reason(what)}")

    def _lost(self, cell: Cell, why: str) -> Iterator[tuple[Run, Message]]:
        self._drop(cell)
        yield from self._died(cell, why)

    def _died(self, cell: Cell, why: str) -> Iterator[tuple[Run, Message]]:
        """A cell's worker died. After some that died without its getting any further, the cell has failed."""
        deaths = self._deaths.setdefault(cell.run.run_id, Deaths())
        if cell.update > deaths.update:
            deaths.update, deaths.hosts = cell.update, []
        deaths.hosts.append(cell.member.host)
        if len(deaths.hosts) < DEATHS:
            yield cell.run, GivenBack(f"{why}; it is begun again elsewhere")
        else:
            hosts = ", ".join(deaths.hosts)
            reason = f"{DEATHS} workers died while they were at it ({hosts}); did the memory run out? The last: {why}"
            yield cell.run, failure(reason, now())

    def _drop(self, cell: Cell) -> None:
        """The engine has this cell no more. Its worker ends it, if it is under way."""
        del self._cells[cell.key]
        if cell.member.cell is cell:
            cell.member.cell = None
        cell.dropped = True
        if not cell.taken and self.client.status == "running":
            with suppress(OSError, RuntimeError):
                self.client.sync(self._cancel, cell)

    async def _cancel(self, cell: Cell) -> None:
        """In Dask's thread, after what it was to do before."""
        if cell.future is not None:
            await self.client.cancel([cell.future], asynchronous=True, force=True)
            cell.future.release()

    # Workers. ---------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            with _scheduler():
                self._look()

    def _look(self) -> None:
        """Find out which workers there are, and whether those that are new can do these cells."""
        self._looked = time.monotonic()
        there = self.client.nthreads()
        self.members = {address: member for address, member in self.members.items() if address in there}
        new = [Member(address, threads) for address, threads in there.items() if address not in self.members]
        if new:
            for member in self._admitted(new):
                self.members[member.address] = member
                if member.refused and self._started:  # those that are there from the start end everything
                    self.tell(f"worker {member.address} gets no runs: {member.refused}")
        self._tell_if_alone()

    def _tell_if_alone(self) -> None:
        if any(not member.refused for member in self.members.values()):
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()
            self.tell("the cluster has no workers that can be used; waiting for some")

    def _admitted(self, new: Sequence[Member]) -> list[Member]:
        """Those that answered, with why they are refused. The others are gone again, or will be asked next time."""
        versions: Any = self.client.get_versions(packages=["numba", "llvmlite", "glorot"])
        for member in new:
            if member.address in versions["workers"]:
                member.refused = differences(versions["client"], versions["workers"][member.address])
        good = [member for member in new if not member.refused]
        folder = self.tasks.data_folder.absolute()
        found = self.client.run(
            remote.look, self.device, self.needed, folder, workers=[one.address for one in good], on_error="return"
        ) if good else {}  # fmt: skip
        lost = [member.address for member in good if isinstance(found.get(member.address), OSError | None)]
        for member in good:
            if member.address not in lost:
                self._judge(member, found[member.address])
        return [member for member in new if member.address not in lost]

    def _judge(self, member: Member, facts: Any) -> None:
        if not isinstance(facts, remote.Facts):
            member.refused = f"it cannot say what it has: {reason(facts)}"
            return
        member.host, member.data_folder, member.refused = facts.host, facts.data_folder, facts.problem
        if facts.code != remote.code():
            member.refused = "its glorot is another version of the code; install the same on both sides"
        for dataset, why in (facts.lacking or {}).items():
            if isinstance(dataset, LocalData) and not dataset.name and not member.refused:
                member.refused = sending.send_data(self.client, self.tasks, dataset, member.address)
            else:
                member.refused = member.refused or why
        if self.device == "cuda" and not member.refused:
            self._give_gpu(member, facts.gpus)

    def _give_gpu(self, member: Member, gpus: Sequence[str]) -> None:
        """One cell for each GPU: the workers of a host share its GPUs, one each."""
        taken = {one.gpu for one in self.members.values() if one.host == member.host}
        free = [name for name in gpus if name not in taken]
        if not free:
            member.refused = f"the {len(gpus)} GPUs of {member.host} are taken by its other workers"
            return
        member.gpu = free[0]
        self.members[member.address] = member
        self.client.run(remote.use_gpu, member.gpu, workers=[member.address])

    def _refuse(self, member: Member, why: str) -> None:
        member.refused = why
        self.tell(f"worker {member.address} gets no more runs: {why}")


@contextmanager
def _scheduler() -> Iterator[None]:
    """What Dask raises where its connection is lost is a ClusterError."""
    try:
        yield
    except (OSError, TimeoutError, RuntimeError) as error:  # RuntimeError: "ConnectionPool is closed"
        raise ClusterError(f"{GONE} ({reason(error)})") from error


def _is_about_data(member: Member) -> bool:
    return member.refused.startswith("data set")
