"""Lengths that every table divides by: how many days make a year.

Here: the one number. Not here: conversion of laboratory units (`checks` repairs them while reading).
"""

DAYS_PER_YEAR = 365.25
