/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * placement.h - where shall these VMs run? The whole public interface of the placement library.
 *
 * A pure function: problem and request in, plan out; then, for any VM that was asked for, the
 * verdict on every node with its figures. The library knows no cluster, clock or I/O. Names appear
 * only in texts. It keeps no state between two calls that changes an answer. The same input and the
 * same amount of work give the same answer, bit for bit, on every machine.
 *
 *     struct placement_solver *solver;
 *     placement_solver_create(&solver);
 *     placement_solve(solver, &problem, &request, &plan);      -> plan->moves, plan->unplaced
 *     while (there is time && placement_improve(solver, work, &plan) > 0) {
 *     }
 *     placement_explain(solver, vm, verdicts, &explanation);   -> one verdict per node
 *     placement_verdict_text(&problem, vm, node, &verdicts[node], line, sizeof(line));
 *     placement_solver_destroy(solver);
 *
 * Everything is named by its index in the problem's arrays. PLACEMENT_NONE means "none". Since 0 is
 * a valid index, start a VM from PLACEMENT_VM_INIT. Everything else may start as zero.
 *
 * Goals, most important first; none is ever given up for a later one:
 *   1. unplaced VMs: as few as possible of the highest priority, then of the next...
 *   2. weights of soft rules broken at the end of the plan, see placement_cost.soft_broken;
 *   3. cost of moves: few moves of running VMs that the request does not ask for, then little time
 *      (memory over bandwidth);
 *   4. preferred owners in their order; then balance: much room left on the nodes that get VMs.
 *
 * Time is counted in work, not in seconds: one unit is about one VM tried on one node (10 to 50
 * ns). The caller has the clock. A plan is valid after placement_solve() and better after each
 * placement_improve(); it is never invalid in between.
 *
 * Memory. All arrays in problem and request belong to the caller, who keeps them unchanged until
 * the last placement_explain() about them. The plan belongs to the solver. It is valid until the
 * next placement_solve() or placement_improve(), or until the solver is destroyed. The solver
 * allocates only in create, and at the beginning of a solve that needs more memory than any before;
 * never in a loop. One solver serves one thread at a time; another thread may take it over.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACEMENT_NONE UINT32_MAX

/* Limits; a problem beyond them is refused with -E2BIG. */
#define PLACEMENT_NODES_MAX 65536u
#define PLACEMENT_VMS_MAX (1u << 20)
#define PLACEMENT_RESOURCES_MAX 32u
#define PLACEMENT_VOLUMES_MAX 65536u
#define PLACEMENT_NETWORKS_MAX 65536u
#define PLACEMENT_CPU_MODELS_MAX 65536u
#define PLACEMENT_MACHINES_MAX 65536u
#define PLACEMENT_RULES_MAX 65536u
#define PLACEMENT_AMOUNT_MAX (UINT64_C(1) << 40)
#define PLACEMENT_OVERCOMMIT_MAX 1000000u /* permille */

/* Defaults for values that a problem leaves open; used only for predicted times and the cost of
 * moves. */
#define PLACEMENT_BANDWIDTH 1000u /* MB/s: 10 Gbit/s with its overhead */
#define PLACEMENT_START_MS 500u   /* from the order to start a VM until it runs */

/* Enough for every line of the text functions, with names of up to 64 bytes. */
#define PLACEMENT_TEXT_MAX 512u

/* A set or a list of indices; the order matters only where a comment says so. n == 0: index may be
 * NULL. */
struct placement_set {
    const uint32_t *index;
    uint32_t n;
};

/* ------------------------------------------------------------------------------ problem */

/* Resources 0 and 1 are always these two; further resources (hugepages, vGPU, SR-IOV ports)
 * follow. */
enum placement_resource_index {
    PLACEMENT_MEMORY = 0, /* MB; hard, never overcommitted */
    PLACEMENT_CPU = 1, /* thousandths of a cpu; a vcpu counts 1000; see cpu_overcommit_permille */
};

/* The name of a resource in texts. */
struct placement_resource {
    const char *name;  /* "memory" */
    const char *unit;  /* "MB"; "" for countable things */
    uint32_t per_unit; /* amounts are given in 1/per_unit of the unit: 1000 for cpu; 0 means 1 */
};

/* Only an ACCEPTS node takes new VMs; the other states differ only in the text. VMs that run on a
 * node count there in every state. */
enum placement_node_state {
    PLACEMENT_NODE_ACCEPTS,
    PLACEMENT_NODE_JOINING, /* in the view, not ready yet */
    PLACEMENT_NODE_DRAINING,
    PLACEMENT_NODE_DRAINED,
    PLACEMENT_NODE_LOST, /* not in the view, fencing not confirmed */
    PLACEMENT_NODE_FENCING,
    PLACEMENT_NODE_FENCED,
    PLACEMENT_NODE_OFFLINE,
    PLACEMENT_NODE_NO_HYPERVISOR, /* its libvirt does not answer */
    PLACEMENT_NODE_NO_WATCHDOG,
    PLACEMENT_NODE_STATE_COUNT
};

struct placement_node {
    const char *name; /* for texts only; may be NULL */
    enum placement_node_state state;
    /* Small integers, each below n_nodes. Racks are numbered cluster-wide; "none configured" is a
     * number like any other. */
    uint32_t site, rack;
    uint32_t cpu_overcommit_permille; /* VMs may get this much of the physical cpu; 0 means 1000 */
    uint32_t vms_max;                 /* at most so many VMs; 0: no limit */
    /* BALANCE: the share of each resource that may be in use (loads); 0: no threshold. */
    uint32_t threshold_permille;
    uint32_t bandwidth_mb_s;       /* of migrations, in and out together; 0: PLACEMENT_BANDWIDTH */
    struct placement_set volumes;  /* reachable, healthy volumes */
    struct placement_set networks; /* networks and bridges that are there; see vm.networks */
    struct placement_set cpu_models; /* guest cpu models that this node can run; see vm.cpu_model */
    struct placement_set machines;   /* machine types that its hypervisor has; see vm.machine */
};

enum placement_mobility {
    PLACEMENT_MOVABLE_LIVE,
    PLACEMENT_MOVABLE_COLD, /* only by save and restore (quick), or stop and start */
    PLACEMENT_FIXED,        /* stays while its host lives; a drain reports it */
};

/* A VM whose `host` is NONE runs nowhere and takes nothing. A VM with a host takes its full needs
 * there, and also at `also_on` (the target of a move in progress). Moves that need the room it
 * leaves get a stage later than 0. */
struct placement_vm {
    const char *name;   /* for texts only; may be NULL */
    int32_t priority;   /* higher is placed first */
    bool no_auto_start; /* a failover leaves it down, and says so */
    uint32_t start_ms;  /* predicted time of a start; 0: PLACEMENT_START_MS */
    enum placement_mobility mobility;
    uint32_t host;
    uint32_t also_on;
    uint32_t return_to;             /* its place before a drain or failover; see PLACEMENT_RETURN */
    uint32_t cpu_model;             /* must be among the node's cpu_models; NONE: runs on any */
    uint32_t machine;               /* must be among the node's machines; NONE: every node has it */
    struct placement_set volumes;   /* the node must reach all of them */
    struct placement_set networks;  /* the node must have all of them */
    struct placement_set possible;  /* possible owners, binding; empty: every node */
    struct placement_set preferred; /* preferred owners, tried in this order before any other */
    struct placement_set excluded;  /* not there in this request (a start just failed there) */
};

#define PLACEMENT_VM_INIT                                                               \
    {                                                                                   \
        .host = PLACEMENT_NONE, .also_on = PLACEMENT_NONE, .return_to = PLACEMENT_NONE, \
        .cpu_model = PLACEMENT_NONE, .machine = PLACEMENT_NONE                          \
    }

enum placement_rule_kind {
    /* Anti-affinity: no two of `vms` in one domain (node, rack, site or part), except those of one
     * group (group_of). Hard: also during moves, when a moving VM is in both domains. Where two are
     * together already, they may stay; none is added. Soft: each group beyond the first in a domain
     * breaks it once, at the end. */
    PLACEMENT_APART,
    /* Affinity: all of `vms` in one domain. Hard: at the end. Placed or moved VMs go where others
     * of the rule stay; if none stays, all go into one domain. Soft: each domain beyond the first
     * breaks it once. */
    PLACEMENT_TOGETHER,
    /* Soft: each VM that is elsewhere (there) breaks it once. */
    PLACEMENT_ON_NODES,     /* `vms` on `nodes` */
    PLACEMENT_NOT_ON_NODES, /* `vms` off `nodes` */
    /* A limit over several nodes, as of a licence or a power feed: the `vms` on `nodes` together
     * need at most `amount` of `resource`, or (NONE) number at most `amount`. Always hard, also
     * during moves: a moving VM counts (once) while either end is among the nodes. If the limit is
     * already exceeded, the VMs may stay, but none is added or moved between the nodes. */
    PLACEMENT_AT_MOST,
    PLACEMENT_RULE_KIND_COUNT
};

enum placement_scope {
    PLACEMENT_NODE,
    PLACEMENT_RACK,
    PLACEMENT_SITE,
    PLACEMENT_PART, /* the rule's own division of the nodes, see placement_rule.part_of */
    PLACEMENT_SCOPE_COUNT
};

enum placement_strength { PLACEMENT_SOFT, PLACEMENT_HARD, PLACEMENT_STRENGTH_COUNT };

struct placement_rule {
    const char *name; /* for texts only; may be NULL */
    enum placement_rule_kind kind;
    enum placement_scope scope; /* of APART and TOGETHER */
    enum placement_strength strength;
    uint32_t weight; /* of a soft rule, against other soft rules; 0 means 1 */
    struct placement_set vms;
    /* APART: for each entry of `vms` the number of its group, below vms.n; if a VM is named twice,
     * its first entry counts. NULL: each VM is a group of its own. */
    const uint32_t *group_of;
    struct placement_set nodes; /* of ON_NODES, NOT_ON_NODES and AT_MOST */
    uint32_t resource;          /* of AT_MOST, or NONE */
    uint64_t amount;            /* of AT_MOST, up to PLACEMENT_AMOUNT_MAX */
    /* PART: for each of the problem's nodes the number of its part, below n_nodes; NONE: in no
     * part. For APART a node in no part is a domain of its own; a hard TOGETHER forbids it. NULL
     * for other scopes. */
    const uint32_t *part_of;
};

struct placement_problem {
    const struct placement_node *nodes;
    const struct placement_vm *vms;
    const struct placement_rule *rules;
    uint32_t n_nodes, n_vms, n_rules;
    uint32_t n_volumes;    /* volume numbers are below this */
    uint32_t n_networks;   /* network numbers are below this */
    uint32_t n_cpu_models; /* cpu model numbers are below this */
    uint32_t n_machines;   /* machine type numbers are below this */
    uint32_t n_resources;  /* at least 2: memory and cpu */
    /* Amounts of resource r: VMs may use capacities[node * n_resources + r] of the node (physical,
     * before overcommit); a VM takes needs[vm * n_resources + r]. */
    const uint64_t *capacities;
    const uint64_t *needs;
    /* The measured usage of the VMs, in the shape and units of needs; NULL: needs. Only BALANCE
     * uses it: a VM's needs are reserved whether it uses them or not. */
    const uint64_t *loads;
    const struct placement_resource *resources; /* n_resources; NULL: built-in names */
    const char *const *volume_names;            /* n_volumes, for texts only; may be NULL */
    const char *const *network_names;           /* n_networks, likewise: "bridge br0" */
    const char *const *machine_names;           /* n_machines, likewise */
    uint64_t seed; /* for all random choices, which only the search for better plans makes */
};

/* ------------------------------------------------------------------------------ request */

enum placement_kind {
    /* Each of `vms` goes to its best node: a VM that runs nowhere is started; a running one is
     * moved away from its host, which is not a candidate. Also the request behind "explain" and
     * behind a move to a node that the user names: solve, explain, look at that node's verdict. */
    PLACEMENT_PLACE,
    /* `nodes` are gone (whatever their state says). The VMs that ran there, and `vms`, no longer
     * hold anything and must start elsewhere; their hosts are not candidates. To allow a restart in
     * place, give the VM with host NONE. */
    PLACEMENT_FAILOVER,
    /* `nodes` must be emptied (whatever their state says: a dry run changes no state): the VMs that
     * run there, and `vms`, move away. VMs that are already leaving are not asked for. */
    PLACEMENT_DRAIN,
    /* Each of `vms`, and each VM whose return_to is among `nodes`, goes back to its return_to if it
     * can; no other node is a candidate. A VM that is there already needs nothing. */
    PLACEMENT_RETURN,
    /* Brings every node's loads under its threshold with few and cheap moves of VMs that may be
     * moved live. If `vms` is not empty, only these move; if `nodes` is not, only off these. No VM
     * is unplaced; placement_cost.nodes_over counts the nodes that stay above. */
    PLACEMENT_BALANCE,
    PLACEMENT_KIND_COUNT
};

struct placement_request {
    enum placement_kind kind;
    struct placement_set vms;
    struct placement_set nodes;
    /* Running VMs that can be moved live may make room for those asked for: as few as possible, in
     * the order of the goals. No meaning for BALANCE. */
    bool may_move_others;
    uint32_t
        moves_max; /* of running VMs that were not asked for; for BALANCE: of all; 0: no limit */
    /* Work beyond the first answer before placement_solve() returns. 0: a default that ends within
     * about 20 ms (PLACEMENT_WORK), mostly at once; UINT64_MAX: none. */
    uint64_t work;
};

#define PLACEMENT_WORK 1000000u

/* --------------------------------------------------------------------------------- plan */

enum placement_mode {
    PLACEMENT_START, /* it does not run (any more): start it */
    PLACEMENT_LIVE,
    PLACEMENT_COLD,
};

/* A move may begin when all moves of lower stages are done. Unless its stage is 0, the moves that
 * were in progress at the beginning must be done too. The moves of one stage may run in any order
 * or all at once; nothing is overloaded at any moment. A VM moves more than once if that breaks a
 * cycle: first to another node, in a later stage to its place. */
struct placement_move {
    uint32_t vm;
    uint32_t from; /* its host; in a failover its lost host; NONE: it ran nowhere */
    uint32_t to;
    uint32_t stage;
    enum placement_mode mode;
    bool asked;        /* false: it makes room for others (BALANCE: always) */
    uint32_t ready_ms; /* predicted, from the plan's beginning: when it runs there. A node's moves
                        * share its bandwidth; starts take their start_ms, all at once. */
};

/* A solver's verdict about one VM on one node. From PLACEMENT_CURRENT_HOST on: why not. Reasons
 * that no free room can change come first, those that it can change last. */
enum placement_reason {
    PLACEMENT_CHOSEN,
    PLACEMENT_POSSIBLE,        /* could run there, another node was chosen */
    PLACEMENT_CURRENT_HOST,    /* runs there now (failover: when it was lost) */
    PLACEMENT_IN_TRANSIT,      /* it is on its way there */
    PLACEMENT_NO_AUTO_START,   /* about the VM: the failover leaves it down */
    PLACEMENT_VM_FIXED,        /* about the VM: it must not be moved */
    PLACEMENT_NOT_RETURN_NODE, /* RETURN: not the node that it goes back to */
    PLACEMENT_NOT_POSSIBLE_OWNER,
    PLACEMENT_NODE_STATE,   /* the node takes no VM; verdict.node_state says why */
    PLACEMENT_NODE_LEAVING, /* the node is among the request's nodes (drained or lost) */
    PLACEMENT_CPU_MODEL,
    PLACEMENT_MACHINE,
    PLACEMENT_VOLUME_MISSING,  /* verdict.volume */
    PLACEMENT_NETWORK_MISSING, /* verdict.network */
    PLACEMENT_EXCLUDED,
    PLACEMENT_NODE_RULE,     /* hard ON_NODES or NOT_ON_NODES; verdict.rule */
    PLACEMENT_AFFINITY,      /* hard TOGETHER; verdict.rule */
    PLACEMENT_ANTI_AFFINITY, /* hard APART; verdict.rule, other_vm */
    PLACEMENT_LIMIT_NODES,   /* AT_MOST; verdict.rule */
    PLACEMENT_LIMIT_VMS,     /* verdict.have, capacity: VMs there and allowed */
    PLACEMENT_NO_RESOURCE,   /* one of the further ones; verdict.resource */
    PLACEMENT_NO_CPU,
    PLACEMENT_NO_MEMORY,
    PLACEMENT_OVER_THRESHOLD, /* BALANCE: it would lift the node above its threshold */
    PLACEMENT_NO_WAY,         /* there will be room, but no order of moves gets the VM there */
    PLACEMENT_REASON_COUNT
};

struct placement_unplaced {
    uint32_t vm;
    uint32_t node; /* the nearest miss: fewest obstacles, then the mildest; or NONE */
    enum placement_reason
        reason; /* the first obstacle there, or the VM's own obstacle everywhere */
};

/* Compared from top to bottom; less is better, except for the last. */
struct placement_cost {
    uint32_t unplaced;    /* (by priority, see above) */
    uint32_t nodes_over;  /* BALANCE: nodes that stay above their threshold */
    uint64_t soft_broken; /* weights of soft rules broken at the end; of rules that
                           * name a VM asked for (BALANCE: of all) */
    uint32_t moves;       /* of running VMs, asked for or not; starts are no moves */
    uint32_t moves_of_others;
    uint64_t moved_mb;            /* memory of the moved VMs */
    uint64_t move_ms;             /* sum of their predicted times */
    uint32_t least_free_permille; /* of memory or cpu, at the end, on the fullest node that was
                                   * given a VM; 1000 if none was given any */
};

struct placement_plan {
    const struct placement_move *moves;        /* in the order in which they should begin */
    const struct placement_unplaced *unplaced; /* most important first */
    uint32_t n_moves, n_unplaced;
    struct placement_cost cost;
    /* No plan that the request allows leaves fewer VMs unplaced, by priority. False: there may be
     * such a plan, but the search has found none. */
    bool proven;
};

/* -------------------------------------------------------------------------- explanation */

/* One VM on one node, judged at the moment of the VM's own decision: with all that runs, with the
 * other VMs that the plan moves in their new places, and with all VMs decided before it (of higher
 * priority; then larger) in their planned places. An unplaced VM is judged at the end of the plan.
 * Room that VMs leave counts as free. A hard APART sees undecided VMs at their hosts; other rules
 * ignore them. Of two possible nodes the better one has: less soft_broken; then the earlier place
 * among the preferred owners; then no need to wait; then more free_after_permille; then more free
 * memory in MB; then the lower index. The chosen node is the best one (rank 0), unless it was taken
 * to make room for VMs decided later: then a better node has rank 0, and the text says so. */
struct placement_verdict {
    enum placement_reason reason;
    uint32_t obstacles; /* every reason that forbids, as 1u << reason; 0 if CHOSEN or POSSIBLE */
    uint32_t rank;      /* among the possible nodes, 0: the best; or NONE */
    /* The missing resource; else the scarcest there after placing. For LIMIT_VMS: NONE. */
    uint32_t resource;
    uint64_t capacity; /* after overcommit */
    uint64_t have;     /* free (LIMIT_VMS: VMs there); at the VM's own host: without the VM */
    uint64_t need;
    /* The smallest share left after placing the VM there, of memory, CPU and the further resources
     * that it needs. 0 if it does not fit. At its host: as it is. */
    uint32_t free_after_permille;
    uint64_t free_after_mb;
    bool waits;              /* there is room only after VMs that are about to leave */
    uint64_t soft_broken;    /* weights of soft rules broken there */
    uint32_t preferred_rank; /* 0: first of its preferred owners; NONE: not one */
    uint32_t volume;         /* the first one missing, or NONE */
    uint32_t network;        /* likewise */
    uint32_t rule;           /* the first hard, else soft rule that it breaks; or NONE */
    uint32_t other_vm;       /* a VM that keeps it out by an APART `rule`, or NONE */
    enum placement_node_state node_state;
};

struct placement_explanation {
    uint32_t chosen;     /* node, or NONE */
    uint32_t runner_up;  /* node, or NONE; if none was chosen: NONE */
    bool for_others;     /* the runner-up is better for this VM; the choice makes room for others */
    uint32_t n_possible; /* including the chosen one */
    uint32_t nearest;    /* nothing chosen: the nearest miss as in placement_unplaced, or NONE */
    enum placement_reason reason;               /* CHOSEN, or as in placement_unplaced */
    uint32_t by_reason[PLACEMENT_REASON_COUNT]; /* number of nodes with each verdict */
};

/* ---------------------------------------------------------------------------- functions */

struct placement_solver;

/* -ENOMEM. destroy(NULL) is fine. */
int placement_solver_create(struct placement_solver **ret_solver);
void placement_solver_destroy(struct placement_solver *solver);

/*
 * Returns 0 even if VMs stay unplaced: the plan says which and why.
 *   -EINVAL   an index, a number or a combination in problem or request makes no sense
 *   -E2BIG    beyond the limits above
 *   -ENOMEM
 * After an error the solver holds no plan and can be used again.
 */
int placement_solve(struct placement_solver *solver, const struct placement_problem *problem,
                    const struct placement_request *request,
                    const struct placement_plan **ret_plan);

/* Like placement_solve(), but others are moved only for VMs that would have no place, never for a
 * soft rule alone. It first solves without moves of others; if VMs remain, it continues with such
 * moves. Only fewer unplaced VMs, by priority, justify moves of others; as few such moves as
 * possible come before soft rules. placement_improve() continues in the same way. clusterd asks in
 * this way, and so must everyone who wants to know what clusterd would do. */
int placement_solve_sparing(struct placement_solver *solver,
                            const struct placement_problem *problem,
                            const struct placement_request *request,
                            const struct placement_plan **ret_plan);

/* Searches for a better plan with about `work` units. Returns 1 if more work may find a better one,
 * 0 if nothing is left to try; the plan is the best so far. -EINVAL: there is no solved problem;
 * -ENOMEM: no memory for this search, the plan stays valid. */
int placement_improve(struct placement_solver *solver, uint64_t work,
                      const struct placement_plan **ret_plan);

/* About one VM of the last solve. ret_verdicts: the caller's array of n_nodes; it and
 * ret_explanation may be NULL. -ENOENT: the VM was not asked for (RETURN: it is there already;
 * DRAIN: it is already leaving). -EINVAL: there is no solved problem, or no such VM. Cheap in the
 * order of the plan's moves; otherwise each call costs one pass over all VMs. */
int placement_explain(struct placement_solver *solver, uint32_t vm,
                      struct placement_verdict *ret_verdicts,
                      struct placement_explanation *ret_explanation);

/*
 * Write one line for people, without a full stop, always terminated and cut off at size; names are
 * the problem's. Return the length written.
 *   "not enough memory: needs 2048 MB, 1024 MB free of 8192 MB"
 *   "chosen: 43.7 % free after placing (memory, 3584 MB of 8192 MB)"
 */
size_t placement_verdict_text(const struct placement_problem *problem, uint32_t vm, uint32_t node,
                              const struct placement_verdict *verdict, char *ret_text, size_t size);
/* About a whole VM: "best of 2 possible nodes; runner-up n3" or "no node can take it: 2 lack
 * memory, 1 is draining or down; nearest: n2" */
size_t placement_explanation_text(const struct placement_problem *problem, uint32_t vm,
                                  const struct placement_explanation *explanation, char *ret_text,
                                  size_t size);
/* Why the VM has no place, in one line: the explanation, and the text of the one verdict that a
 * person can change (a rule that forbids; a missing resource or machine type). */
#define PLACEMENT_NOWHERE_MAX (3 * PLACEMENT_TEXT_MAX)
size_t placement_nowhere_text(const struct placement_problem *problem, uint32_t vm,
                              const struct placement_verdict *verdicts,
                              const struct placement_explanation *explanation, char *ret_text,
                              size_t size);
/* Short words for tables: "no memory", "draining". Never NULL. */
const char *placement_reason_name(enum placement_reason reason);
const char *placement_node_state_name(enum placement_node_state state);
/* The change that would make this node the chosen one, in one line: "1024 MB more free memory
 * there", "a place before n2 among the preferred owners". Empty for the chosen node. */
size_t placement_change_text(const struct placement_problem *problem, uint32_t vm, uint32_t node,
                             const struct placement_verdict *verdicts,
                             const struct placement_explanation *explanation, char *ret_text,
                             size_t size);

/* ------------------------------------------------------------------------- broken rules */

/* A hard rule that the VMs break as they run now. A plan makes no break worse, but repairs none
 * either. */
struct placement_broken {
    uint32_t rule;
    uint32_t vm;    /* a VM that breaks it; of AT_MOST: NONE */
    uint32_t other; /* APART and TOGETHER: another VM, with which it breaks the rule; or NONE */
};

/* All broken rules; ret_broken: the caller's array of n_rules. -ENOMEM, or as placement_solve(). */
int placement_broken_rules(const struct placement_problem *problem,
                           struct placement_broken *ret_broken, uint32_t *ret_n);

/* ---------------------------------------------------------------------------- admission */

/* Can the cluster lose any k nodes, or fewer, and restart every VM that ran there and that a
 * failover starts? */
enum placement_answer {
    PLACEMENT_YES,     /* every case has a plan (a witness) */
    PLACEMENT_NO,      /* proven: `lost` has none */
    PLACEMENT_UNKNOWN, /* neither, within the given work; `lost` is the first open case */
};

struct placement_admit_request {
    uint32_t k;           /* how many nodes are lost at once; 0 is always YES */
    bool may_move_others; /* a plan may move running VMs out of the way */
    /* As in placement_request; for all cases together. */
    uint64_t work;
};

struct placement_admission {
    enum placement_answer answer;
    uint64_t n_cases, n_yes, n_no, n_unknown; /* sets of 1 to k nodes; the rest of them: unknown */
    /* NO and UNKNOWN: the nodes of the first such case, and the first VM without a place. */
    struct placement_set lost; /* the solver's, as a plan */
    uint32_t vm;
    /* Why, as in placement_unplaced; the missing `resource` or the forbidding `rule`, or NONE. If
     * the remaining nodes together lack a resource, `short_of` says how much. */
    enum placement_reason reason;
    uint32_t resource, rule;
    uint64_t short_of;
};

/* Errors as placement_solve(). The nodes that may be lost are those that run VMs or accept them. */
int placement_admit(struct placement_solver *solver, const struct placement_problem *problem,
                    const struct placement_admit_request *request,
                    const struct placement_admission **ret_admission);

/* The plan for the loss of exactly these nodes, if an admission of the same problem has found and
 * kept one (of the first 100,000 cases). It is valid as long as any plan. -ENOENT: none is kept. */
int placement_admit_witness(struct placement_solver *solver, const struct placement_set *lost,
                            const struct placement_plan **ret_plan);
