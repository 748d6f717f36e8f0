"""Rows x seeds of trainings: plan, processes, Ray, advice."""
