//! All invocations of a workgroup reach each barrier equally often: whatever decides about a barrier (a branch, the end
//! of a loop, a return before it) comes from parameters, the workgroup's number and buffers that are only read.
//! And no two of them store to the same place of workgroup memory: whatever says where, or whether, comes from the
//! invocation's own number.
//!
//! WGSL demands the first and naga does not see all of it; Direct3D's older compiler refuses the rest, and some Metal
//! drivers go astray where a loop hangs on what lies in workgroup memory. The second is a race, of equal values too;
//! places that are reckoned from the number, but alike for two invocations, only the validation layers see.

use super::shaders::{Kernel, kernels, parsed};
use naga::{
    AddressSpace, Binding, Block, BuiltIn, Expression, Function, FunctionArgument, GlobalVariable, Handle,
    Module, Statement, StorageAccess, TypeInner,
};
use std::collections::HashSet;

type Names = HashSet<Handle<naga::LocalVariable>>;

/// What is asked of each value.
#[derive(Clone, Copy, PartialEq)]
enum Question {
    /// Whether it may differ between the invocations of a workgroup.
    MayDiffer,
    /// Whether it hangs on the invocation's number: a subgroup's alone does not tell its lanes apart.
    TellsApart,
}

/// What may differ between the invocations of a workgroup, or tell them apart.
struct Analysis<'a> {
    module: &'a Module,
    question: Question,
    /// Of each function: its arguments, where it is called, and whether its result may differ.
    arguments: Vec<Option<Vec<bool>>>,
    results: Vec<bool>,
    /// Variables of an invocation's own, outside of functions, whose value may differ.
    own: HashSet<Handle<GlobalVariable>>,
}

impl<'a> Analysis<'a> {
    fn new(module: &'a Module, question: Question) -> Self {
        let functions = module.functions.len();
        let (arguments, results) = (vec![None; functions], vec![false; functions]);
        let mut all = Self { module, question, arguments, results, own: HashSet::new() };
        loop {
            let before = (all.arguments.clone(), all.results.clone(), all.own.len());
            let look = |(handle, scope): (_, Scope<'_>)| {
                let body = &scope.function.body;
                (handle, scope.result_differs(body, false), scope.calls(), scope.kept().1)
            };
            for (handle, result, calls, kept) in all.scopes().map(look).collect::<Vec<_>>() {
                if let Some(handle) = handle {
                    all.results[Handle::index(handle)] |= result;
                }
                calls.into_iter().for_each(|(function, arguments)| all.note(function, &arguments));
                all.own.extend(kept);
            }
            if before == (all.arguments.clone(), all.results.clone(), all.own.len()) {
                return all;
            }
        }
    }

    fn note(&mut self, function: Handle<Function>, arguments: &[bool]) {
        let known = self.arguments[function.index()].get_or_insert_with(|| vec![false; arguments.len()]);
        known.iter_mut().zip(arguments).for_each(|(known, differs)| *known |= differs);
    }

    fn entry(&self) -> Scope<'_> {
        let function = &self.module.entry_points[0].function;
        let of_group = [BuiltIn::WorkGroupId, BuiltIn::NumWorkGroups, BuiltIn::NumSubgroups];
        let of_subgroup = [BuiltIn::SubgroupId, BuiltIn::SubgroupSize];
        let same = |argument: &FunctionArgument| match &argument.binding {
            Some(Binding::BuiltIn(b)) => {
                of_group.contains(b) || self.question == Question::TellsApart && of_subgroup.contains(b)
            }
            _ => false,
        };
        Scope::new(self, function, function.arguments.iter().map(|a| !same(a)).collect())
    }

    /// What runs first, and all functions that are called.
    fn scopes(&self) -> impl Iterator<Item = (Option<Handle<Function>>, Scope<'_>)> {
        let called = self.module.functions.iter().filter_map(|(handle, function)| {
            let arguments = self.arguments[handle.index()].clone()?;
            Some((Some(handle), Scope::new(self, function, arguments)))
        });
        [(None, self.entry())].into_iter().chain(called)
    }

    fn has_barrier(&self, block: &Block) -> bool {
        block.iter().any(|statement| match statement {
            Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => true,
            Statement::Call { function, .. } => self.has_barrier(&self.module.functions[*function].body),
            other => inner(other).into_iter().any(|block| self.has_barrier(block)),
        })
    }
}

/// The blocks of a statement.
fn inner(statement: &Statement) -> Vec<&Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter().map(|c| &c.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => Vec::new(),
    }
}

/// Whether a block leaves what it stands in: its function, or (`of_loop`) its loop.
fn leaves(block: &Block, of_loop: bool) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Return { .. } => true,
        Statement::Break | Statement::Continue => of_loop,
        Statement::Loop { body, continuing, .. } => leaves(body, false) || leaves(continuing, false),
        // A `break` there ends the switch.
        Statement::Switch { cases, .. } => cases.iter().any(|c| leaves(&c.body, false)),
        other => inner(other).into_iter().any(|block| leaves(block, of_loop)),
    })
}

/// A function whose arguments may differ or not.
struct Scope<'a> {
    all: &'a Analysis<'a>,
    function: &'a Function,
    arguments: Vec<bool>,
    /// Variables whose value may differ.
    variables: Names,
    /// By expression, whether its value may differ.
    values: Vec<bool>,
}

impl<'a> Scope<'a> {
    fn new(all: &'a Analysis<'a>, function: &'a Function, arguments: Vec<bool>) -> Self {
        let mut scope = Self { all, function, arguments, variables: Names::new(), values: Vec::new() };
        loop {
            // Expressions come after their operands.
            scope.values.clear();
            for (_, expression) in function.expressions.iter() {
                let differs = scope.value_differs(expression);
                scope.values.push(differs);
            }
            let (found, _) = scope.kept();
            if found.len() == scope.variables.len() {
                return scope;
            }
            scope.variables = found;
        }
    }

    fn differs(&self, handle: Handle<Expression>) -> bool {
        self.values[handle.index()]
    }

    fn value_differs(&self, expression: &Expression) -> bool {
        let any = |handles: &[Handle<Expression>]| handles.iter().any(|h| self.differs(*h));
        match expression {
            Expression::Literal(_)
            | Expression::Constant(_)
            | Expression::ZeroValue(_)
            | Expression::GlobalVariable(_)
            | Expression::LocalVariable(_)
            | Expression::ArrayLength(_) => false,
            Expression::FunctionArgument(i) => self.arguments[*i as usize],
            Expression::Access { base, index } => any(&[*base, *index]),
            Expression::AccessIndex { base, .. } => any(&[*base]),
            Expression::Load { pointer } => any(&[*pointer]) || self.content_differs(*pointer),
            Expression::Compose { components, .. } => any(components),
            Expression::Splat { value, .. } | Expression::Swizzle { vector: value, .. } => any(&[*value]),
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => any(&[*expr]),
            Expression::Binary { left, right, .. } => any(&[*left, *right]),
            Expression::Select { condition, accept, reject } => any(&[*condition, *accept, *reject]),
            Expression::Relational { argument, .. } => any(&[*argument]),
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                any(&[Some(*arg), *arg1, *arg2, *arg3].into_iter().flatten().collect::<Vec<_>>())
            }
            Expression::CallResult(function) => self.all.results[function.index()],
            Expression::AtomicResult { .. } => true,
            // Results of subgroups, of uniform loads.
            _ => self.all.question == Question::MayDiffer,
        }
    }

    /// What a pointer is into.
    fn root(&self, pointer: Handle<Expression>) -> &'a Expression {
        match &self.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.root(*base),
            root => root,
        }
    }

    /// Whether what lies behind a pointer may differ, or may be changed by others meanwhile.
    fn content_differs(&self, pointer: Handle<Expression>) -> bool {
        match self.root(pointer) {
            Expression::LocalVariable(variable) => self.variables.contains(variable),
            Expression::GlobalVariable(global) => match self.all.module.global_variables[*global].space {
                AddressSpace::Uniform | AddressSpace::Immediate => false,
                AddressSpace::Private => self.all.own.contains(global),
                // What others have stored there tells nobody apart.
                _ if self.all.question == Question::TellsApart => false,
                AddressSpace::Storage { access } => access.contains(StorageAccess::STORE),
                _ => true,
            },
            _ => self.all.question == Question::MayDiffer,
        }
    }

    /// Whether invocations may leave a loop at different turns.
    fn leaves_apart(&self, block: &Block) -> bool {
        block.iter().any(|statement| match statement {
            Statement::If { condition, accept, reject } => {
                let goes = leaves(accept, true) || leaves(reject, true);
                goes && self.differs(*condition) || self.leaves_apart(accept) || self.leaves_apart(reject)
            }
            Statement::Switch { selector, cases } => cases
                .iter()
                .any(|c| leaves(&c.body, false) && self.differs(*selector) || self.leaves_apart(&c.body)),
            // Its own ends are its own matter, but for returns.
            Statement::Loop { body, .. } => leaves(body, false) && self.leaves_apart(body),
            other => inner(other).into_iter().any(|block| self.leaves_apart(block)),
        })
    }

    fn loop_differs(&self, body: &Block, break_if: Option<Handle<Expression>>) -> bool {
        break_if.is_some_and(|condition| self.differs(condition)) || self.leaves_apart(body)
    }

    /// Whether invocations may come to the blocks of a statement differently.
    fn parts(&self, statement: &Statement) -> bool {
        match statement {
            Statement::If { condition, .. } => self.differs(*condition),
            Statement::Switch { selector, .. } => self.differs(*selector),
            Statement::Loop { body, break_if, .. } => self.loop_differs(body, *break_if),
            _ => false,
        }
    }

    /// Shows each store: where, what, and whether invocations may come to it differently.
    fn stores(
        &self,
        block: &Block,
        apart: bool,
        see: &mut dyn FnMut(Handle<Expression>, Handle<Expression>, bool),
    ) {
        for statement in block {
            if let Statement::Store { pointer, value } = statement {
                see(*pointer, *value, apart);
            }
            let apart = apart || self.parts(statement);
            inner(statement).into_iter().for_each(|block| self.stores(block, apart, see));
        }
    }

    /// Variables that get a value here that may differ: of the function, and of the invocation outside of it.
    fn kept(&self) -> (Names, Vec<Handle<GlobalVariable>>) {
        let (mut locals, mut own) = (Names::new(), Vec::new());
        self.stores(&self.function.body, false, &mut |pointer, value, apart| {
            if apart || self.differs(pointer) || self.differs(value) {
                match self.root(pointer) {
                    Expression::LocalVariable(variable) => drop(locals.insert(*variable)),
                    Expression::GlobalVariable(global)
                        if self.all.module.global_variables[*global].space == AddressSpace::Private =>
                    {
                        own.push(*global);
                    }
                    _ => {}
                }
            }
        });
        (locals, own)
    }

    /// The variable in workgroup memory to one place of which all invocations store.
    fn met(&self) -> Option<&'a GlobalVariable> {
        let mut met = None;
        self.stores(&self.function.body, false, &mut |pointer, _, apart| {
            if let Expression::GlobalVariable(global) = self.root(pointer) {
                let variable = &self.all.module.global_variables[*global];
                let atomic = matches!(self.all.module.types[variable.ty].inner, TypeInner::Atomic(_));
                let alike = !apart && !self.differs(pointer);
                if alike && variable.space == AddressSpace::WorkGroup && !atomic {
                    met = Some(variable);
                }
            }
        });
        met
    }

    fn result_differs(&self, block: &Block, apart: bool) -> bool {
        block.iter().any(|statement| match statement {
            Statement::Return { value: Some(value) } => apart || self.differs(*value),
            other => {
                let apart = apart || self.parts(other);
                inner(other).into_iter().any(|block| self.result_differs(block, apart))
            }
        })
    }

    fn calls(&self) -> Vec<(Handle<Function>, Vec<bool>)> {
        fn gather(scope: &Scope<'_>, block: &Block, out: &mut Vec<(Handle<Function>, Vec<bool>)>) {
            for statement in block {
                if let Statement::Call { function, arguments, .. } = statement {
                    out.push((*function, arguments.iter().map(|a| scope.differs(*a)).collect()));
                }
                inner(statement).into_iter().for_each(|block| gather(scope, block, out));
            }
        }
        let mut out = Vec::new();
        gather(self, &self.function.body, &mut out);
        out
    }

    /// What is wrong with the barriers of a block; `gone` says that some invocations may have returned before.
    fn fault(&self, block: &Block, gone: &mut bool) -> Option<&'static str> {
        for statement in block {
            let barrier = self.all.has_barrier(&Block::from_vec(vec![statement.clone()]));
            if barrier && *gone {
                return Some("a barrier behind a return that not all invocations take");
            }
            let parts = self.parts(statement);
            if barrier && parts {
                return Some("a barrier in a branch or loop that is not the same for all invocations");
            }
            for block in inner(statement) {
                if let Some(fault) = self.fault(block, gone) {
                    return Some(fault);
                }
            }
            *gone |= parts && inner(statement).into_iter().any(|block| leaves(block, false));
        }
        None
    }
}

/// What is wrong with the barriers of a shader.
fn fault(module: &Module) -> Option<&'static str> {
    let all = Analysis::new(module, Question::MayDiffer);
    all.scopes().find_map(|(_, scope)| scope.fault(&scope.function.body, &mut false))
}

/// The variable in workgroup memory to one place of which several invocations of a shader store.
fn race(module: &Module) -> Option<String> {
    let all = Analysis::new(module, Question::TellsApart);
    let met = all.scopes().find_map(|(_, scope)| scope.met())?;
    Some(met.name.clone().unwrap_or_default())
}

#[test]
fn every_barrier_is_reached_by_all_invocations() {
    for Kernel { name, module, .. } in kernels() {
        assert_eq!(fault(module), None, "{name}");
    }
}

#[test]
fn no_two_invocations_store_to_one_place() {
    for Kernel { name, module, .. } in kernels() {
        assert_eq!(race(module), None, "{name}");
    }
}

/// The tests above see each of the ways in which a barrier or a store can go wrong.
#[test]
fn barriers_that_some_miss_and_stores_that_meet_are_seen() {
    let module = |body: &str| {
        let source = format!(
            "@group(0) @binding(0) var<storage, read> fixed: array<u32>;
             @group(0) @binding(1) var<storage, read_write> changing: array<u32>;
             var<workgroup> shared_flag: u32;
             var<workgroup> places: array<u32, 64>;
             var<private> own: u32;
             fn wait() {{ workgroupBarrier(); }}
             fn same(v: u32) -> u32 {{ return v + 1u; }}
             fn keep(at: u32) {{ places[at] = 1u; }}
             @compute @workgroup_size(64)
             fn main(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3<u32>,
                     @builtin(subgroup_id) subgroup: u32) {{ {body} }}"
        );
        parsed(body, &source).0
    };
    let shader = |body: &str| fault(&module(body));
    for body in [
        "workgroupBarrier(); if local == 0u { return; }",
        "for (var i = 0u; i < fixed[group.x]; i += 1u) { workgroupBarrier(); }",
        "if same(group.y) > 3u { wait(); }",
        "for (var i = local; i < 9u; i += 1u) { changing[i] = 1u; } wait();",
    ] {
        assert_eq!(shader(body), None, "{body}");
    }
    for body in [
        "if local == 0u { workgroupBarrier(); }",
        "if same(local) > 3u { wait(); }",
        "if local == 0u { return; } wait();",
        "for (var i = 0u; i < changing[group.x]; i += 1u) { workgroupBarrier(); }",
        "let count = shared_flag; for (var i = 0u; i < count; i += 1u) { workgroupBarrier(); }",
        "var end = 9u; if local > 3u { end = 2u; } for (var i = 0u; i < end; i += 1u) { workgroupBarrier(); }",
        "loop { workgroupBarrier(); if shared_flag == 0u { break; } }",
        "switch local { case 1u: { wait(); } default: {} }",
    ] {
        assert!(shader(body).is_some(), "{body}");
    }
    for body in [
        "places[local] = 1u; keep(same(local));",
        "if local == 0u { shared_flag = 1u; }",
        "own = local; places[own] = 1u;",
        "for (var i = local; i < 9u; i += 64u) { places[i] = 1u; }",
        "if local == subgroupMin(local) { places[subgroup] = 1u; }",
    ] {
        assert_eq!(race(&module(body)), None, "{body}");
    }
    for body in [
        "shared_flag = 1u;",
        "places[subgroup] = subgroupAdd(local);",
        "own = subgroup; places[own] = 1u;",
        "keep(group.x);",
        "for (var i = 0u; i < 9u; i += 1u) { places[i] = changing[i]; }",
        "if places[3] == 0u { places[3] = 1u; }",
    ] {
        assert!(race(&module(body)).is_some(), "{body}");
    }
}
