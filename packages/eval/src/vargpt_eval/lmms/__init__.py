"""VARGPT inside lmms-eval 0.7, which finds it by its entry point and lives in its own environment.

Nothing here is imported by vargpt-eval's commands; `lmms_eval` is no dependency of it.
"""
