"""The training loop: a method, its batches, a budget. Knows neither MONAI Label nor which method it is."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from ignite.engine import Engine, Events

from fewlabel.data.loaders import Batch, PairedLoader
from fewlabel.devices import memory_used
from fewlabel.methods.base import Method, total
from fewlabel.published import save_tensors
from fewlabel.training.budget import NO_LIMIT, Budget, TrainerConfig, learning_rate
from fewlabel.training.guard import HarmGuard
from fewlabel.training.measures import dice_of_crops, is_finite
from fewlabel.training.progress import Progress

__all__ = ["Diverged", "Trainer", "dice_of_crops", "is_finite"]

logger = logging.getLogger(__name__)

_GRADIENT_NORM = 12.0  # as in nnU-Net; a guard against single bad batches
CHECKPOINT_EVERY = 20.0  # seconds; and at every tenth of the training


class Diverged(RuntimeError):
    """The loss is not finite; the message says what to do."""


class Trainer:
    """Runs a method over paired batches until its budget is spent.

    Args:
        method: on its device.
        loader: endless pairs of batches.
        budget: see Budget.
        progress: reports to people.
        config: see TrainerConfig.
        validate: called at every tenth of the training and at its end with (method, progress share); gives the mean
            Dice of the validation cases, NaN where there are none.
        refresh: called after each step with (method, progress share): predicts the pool again if it is due.
    """

    def __init__(
        self,
        method: Method,
        loader: Iterable[Batch],
        budget: Budget,
        progress: Progress,
        config: TrainerConfig,
        validate: Callable[[Method, float], float],
        refresh: Callable[[Method, float], Any] | None = None,
    ) -> None:
        # 10 to 30 % faster, on a CPU as well. (torch's annotations lack this argument of modules.)
        self.method = method.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.loader, self.budget, self.progress = loader, budget, progress
        self.device, self.highest = config.device, config.learning_rate
        self.checkpoint, self.identity = config.checkpoint, config.identity
        self.validate, self.refresh = validate, refresh
        self.optimiser = self.optimiser_of(method)
        self.guard = HarmGuard()
        self.amp = self.device.startswith("cuda")
        self.step = 0
        self._saved = time.monotonic()
        self._tenth = 0

    def optimiser_of(self, method: Method) -> torch.optim.AdamW:
        """A new optimiser for all parameters that require a gradient."""
        trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(trained, lr=self.highest, weight_decay=1e-5)

    def run(self) -> None:
        """Train until the budget is spent.

        Raises:
            Diverged: the loss is not finite.
        """
        engine = Engine(self._train_step)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._after_step)
        self._tenth = int(self.done() * 10)
        self.progress.update(self.done(), phase="training", step=self.step)
        self._ask_for_pool(self.done())
        engine.run(self.loader, max_epochs=1, epoch_length=max(1, self.budget.steps - self.step))
        self.validate(self.method, 1.0)
        self.save(finished=True)

    def use(self, loader: Iterable[Batch], identity: dict[str, Any]) -> None:
        """Go on with other batches when ``run`` is called again; the weights stay."""
        self.optimiser.zero_grad(set_to_none=True)
        self.loader, self.identity = loader, identity

    def done(self) -> float:
        """Share of the training that is done, in [0, 1]; also grows during a validation."""
        return self.budget.progress(self.step)

    def rate(self, done: float) -> float:
        """The learning rate at this share of the training."""
        return learning_rate(done, self.highest)

    def weights(self, done: float) -> dict[str, float]:
        """The weight of each term at this share of the training."""
        return self.method.weights(done)

    def _train_step(self, engine: Engine | None, batch: Batch) -> dict[str, Any]:
        done = self.done()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(done)
        self.method.train()
        labelled = {key: value.to(self.device, non_blocking=True) for key, value in batch["labelled"].items()}
        unlabelled = None if self.guard.labels_only else batch["unlabelled"]
        if unlabelled is not None:
            unlabelled = {key: value.to(self.device, non_blocking=True) for key, value in unlabelled.items()}
        with torch.autocast("cuda", torch.bfloat16, enabled=self.amp):
            result = self.method.step(labelled, unlabelled, done)
            loss = total(result, self.weights(done))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        trained = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, _GRADIENT_NORM)
        self.optimiser.step()
        self.method.after_step(done)
        losses = {"total": loss.detach(), **{name: term.detach() for name, term in result.losses.items()}}
        return {"losses": losses, "logits": result.logits.detach(), "label": labelled["label"]}

    def _after_step(self, engine: Engine) -> None:
        self.step += 1
        done = self.done()
        tenth = int(done * 10) > self._tenth
        late = time.monotonic() - self._saved > CHECKPOINT_EVERY
        output = cast(dict[str, Any], engine.state.output)  # of _train_step; ignite annotates it as a number
        if self.guard.is_due(done):
            self._watch(self.guard.fit(dice_of_crops(output["logits"], output["label"])), "labelled crops", done)
        if self.progress.due() or tenth or late:
            self._report(output, done)
        if done >= 1:
            engine.terminate()
            return
        if self.refresh is not None and not self.guard.labels_only:
            self.refresh(self.method, done)
        self._ask_for_pool(done)
        if tenth or late:
            self.save(finished=False)
        if tenth:
            self._tenth = int(done * 10)
            self._watch(self.validate(self.method, done), "validation cases", done)
            self.guard.keep(self.step, self.method, self.optimiser)

    def _ask_for_pool(self, done: float) -> None:
        """Let the loader make crops of the pool, which cost time, only while the method learns from them."""
        if isinstance(self.loader, PairedLoader):
            self.loader.pool_wanted = not self.guard.labels_only and self.method.learns_from_unlabelled(done)

    def _watch(self, dice: float | None, where: str, done: float) -> None:
        """Go back to a healthy state, and on with labels alone, where learning from unlabelled scans did harm."""
        harm = self.guard.harm(dice, where, self.method.learns_from_unlabelled(done))
        if harm:
            then = self.guard.go_back(self.method, self.optimiser)
            self.progress.note(f"Unlabelled scans did harm: at step {self.step} {harm}. {then}")

    def _report(self, output: dict[str, Any], done: float) -> None:
        """Report the step. Waits for the device, so it is called every two seconds and not at every step."""
        values = {name: round(float(value), 5) for name, value in output["losses"].items()}
        if not (all(math.isfinite(value) for value in values.values()) and is_finite(self.method)):
            raise Diverged(
                f"The training diverged at step {self.step} (loss {values['total']}) and was stopped: its weights were "
                "not published. Train again, with a smaller --conf learning_rate if it happens twice."
            )
        weights = {name: round(weight, 4) for name, weight in self.weights(self.done()).items()}
        left = self.budget.elapsed() / max(done, 1e-3) * (1 - done)
        left = min(left, max(0.0, self.budget.seconds - self.budget.elapsed()))
        self.progress.fit(dice_of_crops(output["logits"], output["label"]))
        self.progress.update(
            done,
            step=self.step,
            steps=self.budget.steps if self.budget.steps < NO_LIMIT else None,
            losses=values,
            weights=weights,
            seconds_left=round(left, 1),
            memory=memory_used(self.device),
        )

    def save(self, finished: bool) -> None:
        """Write the checkpoint atomically.

        Raises:
            Refusal: (507) it cannot be written.
        """
        content = {
            "identity": self.identity,
            "finished": finished,
            "labels_only": self.guard.labels_only,
            "step": self.step,
            "elapsed": self.budget.elapsed(),
            "method": self.method.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            **self.more_state(),
        }
        save_tensors(self.checkpoint, content)
        self._saved = time.monotonic()

    def more_state(self) -> dict[str, Any]:
        """Further entries of a checkpoint."""
        return {}

    def resume(self) -> str:
        """Go on from the checkpoint where it fits; gives a sentence about what was done.

        An interrupted training of the same cases goes on where it was; after a finished one, or with new labels,
        the weights are kept and a new training starts from them.
        """
        if not self.checkpoint.exists():
            return "Started from scratch."
        fresh = copy.deepcopy((self.method.state_dict(), self.optimiser.state_dict()))
        try:
            return self._take(torch.load(self.checkpoint, map_location=self.device, weights_only=True))
        except Exception as error:  # damaged, or of another version: no reason not to train
            logger.warning("checkpoint not usable: %s", error)
            self.method.load_state_dict(fresh[0])
            self.optimiser.load_state_dict(fresh[1])
            return "Started from scratch: the last checkpoint could not be read."

    def _take(self, saved: dict[str, Any]) -> str:
        if not self._is_of_this_kind(saved):
            return "Started from scratch: plan, method or classes changed."
        self.method.load_state_dict(saved["method"])
        if saved["finished"] or saved["identity"] != self.identity:
            return "Went on from the weights of the last training."
        self.guard.labels_only = bool(saved.get("labels_only"))
        step, spent = int(saved["step"]), float(saved["elapsed"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.budget.spent = step, spent
        return f"Went on with the interrupted training at step {self.step}."

    def _is_of_this_kind(self, saved: dict[str, Any]) -> bool:
        """Whether a checkpoint's weights fit, whatever labels they were trained with."""
        fixed = {key: value for key, value in self.identity.items() if key != "labelled"}
        return {key: value for key, value in saved["identity"].items() if key != "labelled"} == fixed
