"""Probability building blocks, each learnt online: durations, evidence, experts, a mixture."""
