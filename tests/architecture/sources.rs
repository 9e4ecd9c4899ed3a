//! Reads source files into the paths that they say, each made absolute: `crate::module::…` for our own code, the
//! crate's name first for others'.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One source file, by its path below `src/`.
pub struct SourceFile {
    pub path: String,
    /// The modules around its contents: `["sftp", "requests"]`.
    module_path: Vec<String>,
    pub references: Vec<Reference>,
    pub oddities: Vec<Oddity>,
}

impl SourceFile {
    /// The module of the table that it belongs to; `""` for the crate's root.
    pub fn module(&self) -> &str {
        self.module_path.first().map_or("", String::as_str)
    }
}

/// A path that a file says.
pub struct Reference {
    pub path: Vec<String>,
    pub line: usize,
    /// Said in code that only tests compile.
    pub in_test: bool,
    /// Handed on to other modules: `pub use`, `pub type`.
    pub exported: bool,
    /// Given another name: `use … as`, `type`.
    pub renamed: bool,
    /// Everything in it: `use …::*`.
    pub is_glob: bool,
}

/// Something that would make the reading blind.
pub struct Oddity {
    pub text: String,
    pub line: usize,
}

/// All files below `root`.
pub fn read(root: &Path) -> Vec<SourceFile> {
    let mut texts = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable source folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
                texts.insert(name, std::fs::read_to_string(&path).expect("a readable source file"));
            }
        }
    }
    parse(&texts)
}

/// Files given as path below `src/` and text.
pub fn parse(texts: &BTreeMap<String, String>) -> Vec<SourceFile> {
    let parsed: Vec<(&String, Vec<String>, syn::File)> = texts
        .iter()
        .map(|(path, text)| {
            let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{path} cannot be parsed: {error}"));
            (path, module_path(path), file)
        })
        .collect();
    // `#[cfg(test)] mod tests;` makes a whole file a test.
    let mut test_modules = BTreeSet::new();
    for (_, module, file) in &parsed {
        for item in &file.items {
            if let syn::Item::Mod(item) = item
                && item.content.is_none()
                && is_test_only(&item.attrs)
            {
                let mut path = module.clone();
                path.push(item.ident.unraw().to_string());
                test_modules.insert(path);
            }
        }
    }
    parsed
        .into_iter()
        .map(|(path, module, file)| {
            let in_test = (1..=module.len()).any(|length| test_modules.contains(&module[..length]));
            let mut reader = Reader {
                module: module.clone(),
                in_test,
                exporting: false,
                renaming: false,
                references: Vec::new(),
                oddities: Vec::new(),
            };
            reader.visit_file(&file);
            SourceFile {
                path: format!("src/{path}"),
                module_path: module,
                references: reader.references,
                oddities: reader.oddities,
            }
        })
        .collect()
}

/// The modules that a `lib.rs` declares.
pub fn declared_modules(lib: &str) -> Vec<String> {
    let file = syn::parse_file(lib).expect("src/lib.rs parses");
    file.items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Mod(module) => Some(module.ident.unraw().to_string()),
            _ => None,
        })
        .collect()
}

/// `sftp/requests.rs` and `sftp/requests/mod.rs` are `sftp::requests`; `lib.rs` and `main.rs` are the root.
fn module_path(path: &str) -> Vec<String> {
    let without = path.strip_suffix(".rs").unwrap_or(path);
    let mut module: Vec<String> = without.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] || module == ["main"] {
        module.pop();
    }
    module
}

struct Reader {
    module: Vec<String>,
    in_test: bool,
    exporting: bool,
    renaming: bool,
    references: Vec<Reference>,
    oddities: Vec<Oddity>,
}

impl Reader {
    /// Notes a path as it is written, if it leads to our own code or to another crate.
    fn note(&mut self, written: &[String], line: usize, renamed: bool) {
        let Some(path) = self.resolve(written) else { return };
        if path.len() == 1 && path[0] == "crate" {
            self.oddity("the crate's root is not imported, renamed or globbed: name the module", line);
            return;
        }
        let (in_test, exported) = (self.in_test, self.exporting);
        let renamed = renamed || self.renaming;
        self.references.push(Reference { path, line, in_test, exported, renamed, is_glob: false });
    }

    /// Makes a path absolute: `super::x` in `sftp::requests` is `crate::sftp::x`.
    fn resolve(&self, written: &[String]) -> Option<Vec<String>> {
        let absolute = |module: &[String], rest: &[String]| {
            let mut path = vec!["crate".to_owned()];
            path.extend(module.iter().chain(rest).cloned());
            path
        };
        match written.first()?.as_str() {
            "crate" | "lucca_gateway" => Some(absolute(&[], &written[1..])),
            "self" | "super" => {
                let mut module = &self.module[..];
                let mut rest = written;
                while let Some(first) = rest.first() {
                    match first.as_str() {
                        "self" => {}
                        "super" => module = &module[..module.len().saturating_sub(1)],
                        _ => break,
                    }
                    rest = &rest[1..];
                }
                Some(absolute(module, rest))
            }
            // In lib.rs a bare name is a module of the root.
            _ if self.module.is_empty() && self.exporting => Some(absolute(&[], written)),
            _ => Some(written.to_vec()),
        }
    }

    fn oddity(&mut self, text: &str, line: usize) {
        self.oddities.push(Oddity { text: text.to_owned(), line });
    }

    fn note_use_tree(&mut self, prefix: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.unraw().to_string());
                self.note_use_tree(prefix, &path.tree);
                prefix.pop();
            }
            syn::UseTree::Name(name) => self.note_use_leaf(prefix, &name.ident, false),
            syn::UseTree::Rename(rename) => self.note_use_leaf(prefix, &rename.ident, true),
            // A glob of a module names the module, and below `crate` every module there is.
            syn::UseTree::Glob(glob) => {
                let before = self.references.len();
                self.note(prefix, glob.span().start().line, false);
                self.references[before..].iter_mut().for_each(|reference| reference.is_glob = true);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_use_tree(prefix, tree);
                }
            }
        }
    }

    fn note_use_leaf(&mut self, prefix: &[String], ident: &syn::Ident, renamed: bool) {
        let mut path = prefix.to_vec();
        // `use crate::x::{self}` is `use crate::x`; a leading `self` or `super` is part of the way.
        if ident != "self" || path.is_empty() {
            path.push(ident.unraw().to_string());
        }
        self.note(&path, ident.span().start().line, renamed);
    }

    /// Reads what a macro is given: paths are the runs `a::b::c`, also with `{…}` groups as in a `use`.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < trees.len() {
            match &trees[at] {
                TokenTree::Ident(first) => {
                    let line = first.span().start().line;
                    let mut path = vec![first.unraw().to_string()];
                    at += 1;
                    while is_double_colon(&trees, at) {
                        match trees.get(at + 2) {
                            Some(TokenTree::Ident(next)) => {
                                path.push(next.unraw().to_string());
                                at += 3;
                            }
                            Some(TokenTree::Group(group)) => {
                                self.note_group(&path, group.stream());
                                at += 3;
                            }
                            _ => break,
                        }
                    }
                    if path.len() > 1 {
                        self.note(&path, line, false);
                    }
                }
                TokenTree::Group(group) => {
                    self.note_tokens(group.stream());
                    at += 1;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
            }
        }
    }

    /// `crate::{a, b::C}` inside a macro.
    fn note_group(&mut self, prefix: &[String], tokens: TokenStream) {
        if let Ok(tree) = syn::parse2::<syn::UseTree>(quote_group(tokens)) {
            self.note_use_tree(&mut prefix.to_vec(), &tree);
        }
    }
}

/// Puts the braces back that make a list of use trees one tree.
fn quote_group(tokens: TokenStream) -> TokenStream {
    TokenTree::Group(proc_macro2::Group::new(proc_macro2::Delimiter::Brace, tokens)).into()
}

fn is_double_colon(trees: &[TokenTree], at: usize) -> bool {
    let is_colon = |tree: Option<&TokenTree>| matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    is_colon(trees.get(at)) && is_colon(trees.get(at + 1))
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]`, `#[test]`.
fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("test") {
            return true;
        }
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let text: String = list.tokens.to_string().split_whitespace().collect();
        list.path.is_ident("cfg") && (text == "test" || text.starts_with("all(test,"))
    })
}

fn is_private(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Inherited)
}

fn attributes_of(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let before = self.in_test;
        self.in_test |= is_test_only(attributes_of(item));
        visit::visit_item(self, item);
        self.in_test = before;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        let before = self.in_test;
        self.in_test |= is_test_only(&item.attrs);
        visit::visit_impl_item_fn(self, item);
        self.in_test = before;
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
            self.oddity("#[path] hides where a module is", item.span().start().line);
        }
        self.module.push(item.ident.unraw().to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.exporting = !is_private(&item.vis);
        self.note_use_tree(&mut Vec::new(), &item.tree);
        self.exporting = false;
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.exporting = !is_private(&item.vis);
        self.renaming = true;
        visit::visit_item_type(self, item);
        self.exporting = false;
        self.renaming = false;
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.oddity("extern crate gives a crate another name", item.span().start().line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
        // A lone lower-case word is a variable; a lone type may be one that a glob brought in.
        if written.len() > 1 || written[0].starts_with(char::is_uppercase) {
            self.note(&written, path.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_path(&mut self, expression: &'ast syn::ExprPath) {
        // `<OperatorTree>::mount`: the type stands apart from the name.
        if let Some(qself) = &expression.qself
            && let syn::Type::Path(of) = &*qself.ty
        {
            let mut written: Vec<String> = of.path.segments.iter().map(|s| s.ident.unraw().to_string()).collect();
            written.extend(expression.path.segments.iter().skip(qself.position).map(|s| s.ident.unraw().to_string()));
            self.note(&written, expression.span().start().line, false);
        }
        visit::visit_expr_path(self, expression);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(super)` and `pub(in crate::x)` say who may look, and use nothing.
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|last| last.ident == "include") {
            self.oddity("include! hides what is compiled", call.span().start().line);
        }
        self.note_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        if let syn::Meta::List(list) = &attribute.meta {
            self.note_tokens(list.tokens.clone());
            self.note_paths_in_strings(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }
}

impl Reader {
    /// `#[serde(with = "crate::x::y")]`: the one place where a string is a path.
    fn note_paths_in_strings(&mut self, tokens: TokenStream) {
        for tree in tokens {
            match tree {
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    if let Ok(text) = syn::parse2::<syn::LitStr>(TokenTree::Literal(literal).into())
                        && let Ok(path) = text.parse::<syn::Path>()
                        && path.segments.len() > 1
                    {
                        let written: Vec<String> = path.segments.iter().map(|s| s.ident.unraw().to_string()).collect();
                        self.note(&written, line, false);
                    }
                }
                TokenTree::Group(group) => self.note_paths_in_strings(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}
