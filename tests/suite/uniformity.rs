//! All invocations of a workgroup reach each barrier equally often: whatever decides about a barrier (a branch, the end
//! of a loop, a return before it) comes from parameters, the workgroup's number and buffers that are only read.
//!
//! WGSL demands this and naga does not see all of it; Direct3D's older compiler refuses the rest, and some Metal
//! drivers go astray where a loop hangs on what lies in workgroup memory.

use super::shaders::{parsed, sources};
use naga::{AddressSpace, Block, BuiltIn, Expression, Function, Handle, Module, Statement, StorageAccess};
use std::collections::HashSet;

type Names = HashSet<Handle<naga::LocalVariable>>;

/// What may differ between the invocations of a workgroup.
struct Analysis<'a> {
    module: &'a Module,
    /// Of each function: its arguments, and whether its result may differ.
    arguments: Vec<Vec<bool>>,
    results: Vec<bool>,
}

impl<'a> Analysis<'a> {
    fn new(module: &'a Module) -> Self {
        let arguments = module.functions.iter().map(|(_, f)| vec![false; f.arguments.len()]).collect();
        let mut all = Self { module, arguments, results: vec![false; module.functions.len()] };
        loop {
            let before = (all.arguments.clone(), all.results.clone());
            for (handle, function) in module.functions.iter() {
                let own = all.arguments[handle.index()].clone();
                let scope = Scope::new(&all, function, own);
                let result = scope.result_differs(&function.body, false);
                let calls = scope.calls();
                all.results[handle.index()] |= result;
                all.note(calls);
            }
            let calls = all.entry().calls();
            all.note(calls);
            if before == (all.arguments.clone(), all.results.clone()) {
                return all;
            }
        }
    }

    fn note(&mut self, calls: Vec<(Handle<Function>, Vec<bool>)>) {
        for (function, arguments) in calls {
            let known = &mut self.arguments[function.index()];
            known.iter_mut().zip(arguments).for_each(|(known, differs)| *known |= differs);
        }
    }

    fn entry(&self) -> Scope<'_> {
        let function = &self.module.entry_points[0].function;
        let same = |argument: &naga::FunctionArgument| {
            let same = [BuiltIn::WorkGroupId, BuiltIn::NumWorkGroups, BuiltIn::NumSubgroups];
            matches!(&argument.binding, Some(naga::Binding::BuiltIn(b)) if same.contains(b))
        };
        Scope::new(self, function, function.arguments.iter().map(|a| !same(a)).collect())
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
            let mut found = scope.variables.clone();
            scope.stores(&function.body, false, &mut found);
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
            // Results of atomics, of subgroups, of uniform loads.
            _ => true,
        }
    }

    /// Whether what lies behind a pointer may differ, or may be changed by others meanwhile.
    fn content_differs(&self, pointer: Handle<Expression>) -> bool {
        match &self.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                self.content_differs(*base)
            }
            Expression::LocalVariable(variable) => self.variables.contains(variable),
            Expression::GlobalVariable(global) => match self.all.module.global_variables[*global].space {
                AddressSpace::Uniform | AddressSpace::Immediate => false,
                AddressSpace::Storage { access } => access.contains(StorageAccess::STORE),
                _ => true,
            },
            _ => true,
        }
    }

    fn variable(&self, pointer: Handle<Expression>) -> Option<Handle<naga::LocalVariable>> {
        match &self.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => self.variable(*base),
            Expression::LocalVariable(variable) => Some(*variable),
            _ => None,
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

    fn stores(&self, block: &Block, apart: bool, found: &mut Names) {
        for statement in block {
            if let Statement::Store { pointer, value } = statement
                && (apart || self.differs(*pointer) || self.differs(*value))
            {
                found.extend(self.variable(*pointer));
            }
            let apart = apart || self.parts(statement);
            inner(statement).into_iter().for_each(|block| self.stores(block, apart, found));
        }
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
    let all = Analysis::new(module);
    let functions = module.functions.iter().map(|(handle, function)| {
        Scope::new(&all, function, all.arguments[handle.index()].clone()).fault(&function.body, &mut false)
    });
    let entry = all.entry().fault(&module.entry_points[0].function.body, &mut false);
    functions.flatten().next().or(entry)
}

#[test]
fn every_barrier_is_reached_by_all_invocations() {
    for (name, source) in sources() {
        let (module, _) = parsed(&name, &source);
        assert_eq!(fault(&module), None, "{name}");
    }
}

/// The test above sees each of the ways in which a barrier can go wrong.
#[test]
fn barriers_that_some_miss_are_seen() {
    let shader = |body: &str| {
        let source = format!(
            "@group(0) @binding(0) var<storage, read> fixed: array<u32>;
             @group(0) @binding(1) var<storage, read_write> changing: array<u32>;
             var<workgroup> shared_flag: u32;
             fn wait() {{ workgroupBarrier(); }}
             fn same(v: u32) -> u32 {{ return v + 1u; }}
             @compute @workgroup_size(64)
             fn main(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3<u32>) {{ {body} }}"
        );
        fault(&parsed(body, &source).0)
    };
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
}
