"""Commits shards in a thread of its own, in order, while workers go on converting."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from clip_prep_cli.samples.records import Failure, Record
from clip_prep_cli.sets.tensorset import TensorSet
from clip_prep_cli.workers.engine import Product

_MAX_WAITING = 2


class Sealer:
    """One thread: whatever is missing after a crash is the end of the plan, never its middle."""

    def __init__(self, tensors: TensorSet) -> None:
        self._tensors = tensors
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="seal")
        self._waiting: deque[Future[None]] = deque()
        self._broken = False

    def put(self, product: Product, results: Sequence[Record | Failure]) -> None:
        """Commit a shard soon; blocks while the disk is too far behind.

        Raises:
            OSError: an earlier shard could not be committed.
        """
        self._waiting.append(self._thread.submit(self._commit, product, results))
        self._await(_MAX_WAITING)

    def finish(self) -> None:
        """Wait until everything is committed.

        Raises:
            OSError: a shard could not be committed; none after it was.
        """
        try:
            self._await(0)
            if not self._broken:
                self._tensors.flush()
        finally:
            self._thread.shutdown()

    def _commit(self, product: Product, results: Sequence[Record | Failure]) -> None:
        try:
            if not self._broken:
                product.commit(self._tensors, results)
        except BaseException:
            self._broken = True
            raise
        finally:
            product.discard()  # gives back what was not sealed

    def _await(self, at_most: int) -> None:
        while len(self._waiting) > at_most:
            self._waiting.popleft().result()
