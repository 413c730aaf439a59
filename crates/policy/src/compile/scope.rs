//! Names of lists and macros, and what became of them.

use crate::{
    HashMap, HashSet,
    field::{Field, FieldError},
    file::{Library, Problems},
    suggest::did_you_mean,
    syntax::Word,
};

use super::build::Compiled;

/// Names that a condition can use.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) library: &'a Library,
    pub(crate) macros: HashMap<&'a str, MacroState>,
}

#[derive(Clone, Debug)]
pub(crate) enum MacroState {
    /// Its own text is being compiled: whoever asks now is part of a circle.
    Open,
    Ready(Compiled),
    /// What is wrong was reported where it stands.
    Broken,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(library: &'a Library) -> Self {
        Self { library, macros: HashMap::default() }
    }

    /// Values of `words` with lists replaced by their items, each once. `None` when a list contains itself.
    pub(crate) fn expand(&self, words: &[Word], problems: &mut Problems<'_>) -> Option<Vec<Word>> {
        let mut expansion =
            Expansion { scope: self, open: Vec::new(), done: HashSet::default(), values: Vec::new() };
        let mut seen = HashSet::default();
        for word in words {
            expansion.word(word, problems)?;
        }
        expansion.values.retain(|word| seen.insert(word.text.clone()));
        Some(expansion.values)
    }

    /// Help for a word that names no macro.
    pub(crate) fn macro_help(&self, name: &str) -> Option<String> {
        if self.library.lists.contains_key(name) {
            return Some(format!("`{name}` is a list: write `field in ({name})`"));
        }
        if let Err(FieldError::Unknown { suggestion: None }) = Field::find(name, None) {
            return did_you_mean(name, self.library.macros.keys().map(String::as_str));
        }
        None
    }
}

struct Expansion<'s, 'a> {
    scope: &'s Scope<'a>,
    open: Vec<&'s str>,
    done: HashSet<&'s str>,
    values: Vec<Word>,
}

impl<'s> Expansion<'s, '_> {
    fn word(&mut self, word: &Word, problems: &mut Problems<'_>) -> Option<()> {
        let library = self.scope.library;
        let Some((name, list)) = library.lists.get_key_value(word.text.as_str()).filter(|_| !word.quoted)
        else {
            self.values.push(word.clone());
            return Some(());
        };
        let name: &'s str = name;
        if self.open.contains(&name) {
            let circle = self.open.iter().chain([&name]).map(|n| format!("`{n}`")).collect::<Vec<_>>();
            problems.error(list.name_span, format!("this list contains itself: {}", circle.join(" in ")));
            return None;
        }
        // A list met twice adds nothing: this also bounds lists of lists of lists.
        if !self.done.insert(name) {
            return Some(());
        }
        if self.open.len() > 100 {
            problems.error(list.name_span, "lists are nested deeper than 100");
            return None;
        }
        self.open.push(name);
        for item in &list.items {
            self.word(item, problems)?;
        }
        self.open.pop();
        Some(())
    }
}
