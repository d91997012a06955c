/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdicts.h - are the verdicts of a solve what placement.h says about "the moment of the VM's own
 * decision"? Everything is counted anew from the plan. What the header leaves open is bounded from
 * both sides: rooms that VMs leave may be counted as free or as taken.
 */
#pragma once

#include "placement/placement.h"

#define VERDICTS_TEXT_MAX 256u

/* Explains every VM that was asked for. true: nothing wrong; else a sentence in ret_text. Nodes up
 * to VERDICTS_NODES, VMs up to VERDICTS_VMS. Nothing is said about BALANCE. */
#define VERDICTS_NODES 32u
#define VERDICTS_VMS 128u
bool verdicts_ok(const struct placement_problem *problem, const struct placement_request *request,
                 struct placement_solver *solver, const struct placement_plan *plan,
                 char ret_text[VERDICTS_TEXT_MAX]);
