"""Faults in the trainer, its budget and guard, validation, and what is published."""

from experiments.mutants.fault import Fault

_STEPS = "tests/training/test_trainer_steps.py"
_PUBLISH = "tests/training/test_publish.py"
_PUBLISHES = "if may_replace(dice, self.before) if done >= 1 else better and may_replace(dice, self.published_dice):"

TRAINING = (
    Fault(
        "gradients are not clipped",
        "training/trainer.py",
        "        torch.nn.utils.clip_grad_norm_(trained, _GRADIENT_NORM)\n",
        "",
        f"{_STEPS}::test_a_wild_gradient_is_cut_to_a_norm_of_twelve_and_others_are_left_alone[100.0-12.0]",
    ),
    Fault(
        "weights decay ten thousand times too fast",
        "training/trainer.py",
        "weight_decay=1e-5",
        "weight_decay=0.1",
        f"{_STEPS}::test_weights_that_no_term_asks_to_move_hardly_decay",
    ),
    Fault(
        "each gradient is clipped by itself",
        "training/trainer.py",
        "torch.nn.utils.clip_grad_norm_(trained, _GRADIENT_NORM)",
        "torch.nn.utils.clip_grad_value_(trained, _GRADIENT_NORM)",
        f"{_STEPS}::test_a_wild_gradient_is_cut_to_a_norm_of_twelve_and_others_are_left_alone[100.0-12.0]",
    ),
    Fault(
        "gradients are clipped before there are any",
        "training/trainer.py",
        "        loss.backward()\n"
        '        trained = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]\n'
        "        torch.nn.utils.clip_grad_norm_(trained, _GRADIENT_NORM)\n",
        '        trained = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]\n'
        "        torch.nn.utils.clip_grad_norm_(trained, _GRADIENT_NORM)\n"
        "        loss.backward()\n",
        f"{_STEPS}::test_a_wild_gradient_is_cut_to_a_norm_of_twelve_and_others_are_left_alone[100.0-12.0]",
    ),
    Fault(
        "after_step is never called",
        "training/trainer.py",
        "        self.method.after_step(done)\n",
        "",
        f"{_STEPS}::test_each_step_is_followed_by_one_after_step_at_the_same_progress",
    ),
    Fault(
        "after_step is called before the weights move",
        "training/trainer.py",
        "        self.optimiser.step()\n        self.method.after_step(done)\n",
        "        self.method.after_step(done)\n        self.optimiser.step()\n",
        f"{_STEPS}::test_after_step_sees_the_weights_that_the_step_has_just_made",
    ),
    Fault(
        "after_step hears of a progress of 0",
        "training/trainer.py",
        "self.method.after_step(done)",
        "self.method.after_step(0.0)",
        f"{_STEPS}::test_each_step_is_followed_by_one_after_step_at_the_same_progress",
    ),
    Fault(
        "gradients pile up from step to step",
        "training/trainer.py",
        "        self.optimiser.zero_grad(set_to_none=True)\n        loss.backward()\n",
        "        loss.backward()\n",
        f"{_STEPS}::test_gradients_of_one_step_do_not_reach_the_next",
    ),
    Fault(
        "the learning rate is never set",
        "training/trainer.py",
        'group["lr"] = self.rate(done)',
        'group["lr"] = self.highest',
        f"{_STEPS}::test_the_learning_rate_follows_its_schedule_at_each_step",
    ),
    Fault(
        "terms are added without their weights",
        "training/trainer.py",
        "loss = total(result, self.weights(done))",
        "loss = total(result, dict.fromkeys(result.losses, 1.0))",
        f"{_STEPS}::test_the_weights_of_the_terms_are_those_of_the_step_s_own_progress",
    ),
    Fault(
        "terms have the weights of the end from the start",
        "training/trainer.py",
        "loss = total(result, self.weights(done))",
        "loss = total(result, self.method.weights(1.0))",
        f"{_STEPS}::test_the_weights_of_the_terms_are_those_of_the_step_s_own_progress",
    ),
    Fault(
        "the method is not put into training mode",
        "training/trainer.py",
        "        self.method.train()\n",
        "",
        f"{_STEPS}::test_every_step_trains_though_a_validation_looked_at_it_in_between",
    ),
    Fault(
        "the pool is kept from every training",
        "training/trainer.py",
        'None if self.guard.labels_only else batch["unlabelled"]',
        "None",
        f"{_STEPS}::test_the_method_gets_the_batches_of_the_loader_one_by_one_and_whole",
    ),
    Fault(
        "after harm the pool goes on teaching",
        "training/trainer.py",
        'None if self.guard.labels_only else batch["unlabelled"]',
        'batch["unlabelled"]',
        f"{_STEPS}::test_after_harm_the_pool_is_kept_from_the_method",
    ),
    Fault(
        "nothing is validated at the end",
        "training/trainer.py",
        "        self.validate(self.method, 1.0)\n",
        "",
        "tests/training/test_trainer.py::test_it_validates_at_every_tenth_and_at_the_end",
    ),
    Fault(
        "a checkpoint forgets the optimiser",
        "training/trainer.py",
        '        self.optimiser.load_state_dict(saved["optimiser"])\n',
        "",
        "tests/training/test_resume.py::test_going_on_gives_the_same_weights_as_never_having_stopped",
    ),
    Fault(
        "time before an interruption does not count",
        "training/trainer.py",
        "self.step, self.budget.spent = step, spent",
        "self.step, self.budget.spent = step, 0.0",
        "tests/training/test_resume.py::test_the_time_before_an_interruption_counts",
    ),
    Fault(
        "a loss that is no number goes on",
        "training/trainer.py",
        "if not (all(math.isfinite(value) for value in values.values()) and is_finite(self.method)):",
        "if False:",
        "tests/training/test_trainer.py::test_a_divergence_is_found_before_anything_is_validated_or_saved[loss]",
    ),
    Fault(
        "only the steps end a training",
        "training/budget.py",
        "max(step / self.steps, self.elapsed() / self.seconds)",
        "step / self.steps",
        "tests/training/test_trainer.py::test_time_ends_the_training",
    ),
    Fault(
        "the learning rate does not fall",
        "training/budget.py",
        "math.cos(math.pi * (progress - 0.1) / 0.9)",
        "math.cos(0.0)",
        "tests/training/test_trainer.py::test_the_learning_rate_rises_for_a_tenth_and_falls_to_a_hundredth",
    ),
    Fault(
        "a rise of Dice is harm",
        "training/guard.py",
        "best - value < _FALL:",
        "value - best < _FALL:",
        "tests/training/test_guard.py::test_a_collapse_on_the_labelled_crops_is_noticed_undone_and_reported",
    ),
    Fault(
        "after harm the weights stay as they are",
        "training/guard.py",
        '        method.load_state_dict(state["method"])\n',
        "",
        "tests/training/test_guard.py::test_the_state_that_is_put_back_is_the_one_that_was_kept",
    ),
    Fault(
        "the state to go back to moves along",
        "training/guard.py",
        'return value.detach().to("cpu", copy=True)',
        'return value.detach().to("cpu")',
        "tests/training/test_guard.py::test_the_state_that_is_put_back_is_the_one_that_was_kept",
    ),
    Fault(
        "a worse model replaces a better one",
        "training/validation.py",
        "new >= old",
        "new <= old",
        "tests/training/test_validation.py::test_a_model_is_replaced_by_one_that_is_not_worse",
    ),
    Fault(
        "the worst of two networks is published",
        "training/validation.py",
        "best = max(means,",
        "best = min(means,",
        "tests/training/test_candidates.py::test_the_best_candidate_has_the_highest_mean_dice",
    ),
    Fault(
        "validation in training mode",
        "training/validation.py",
        "        network.eval()\n",
        "",
        "tests/training/test_validation.py::test_a_network_is_measured_in_evaluation_mode",
    ),
    Fault(
        "the mean Dice counts a class that nobody has",
        "training/validation.py",
        "sum(measured) / len(measured)",
        "sum(measured) / len(dice)",
        "tests/training/test_validation.py::test_dice_is_of_whole_volumes_and_nan_for_a_class_that_is_nowhere",
    ),
    Fault(
        "what is scored is not what was published",
        "training/publish.py",
        "better = self.best is None or not mean < self.best[0]",
        "better = True",
        f"{_PUBLISH}::test_weights_that_were_better_on_the_way_stay_where_the_last_are_worse_than_the_model_before",
    ),
    Fault(
        "a model is published whatever the old one reached",
        "training/publish.py",
        _PUBLISHES,
        "if done >= 1 or better:",
        "tests/training/test_publish.py::test_a_worse_model_is_not_published_and_nothing_is_scored",
    ),
    Fault(
        "the best of many looks is published",
        "training/publish.py",
        _PUBLISHES,
        "if better and may_replace(dice, self.published_dice):",
        f"{_PUBLISH}::test_the_last_weights_are_published_and_scored_since_the_best_of_many_looks_flatter",
    ),
)
