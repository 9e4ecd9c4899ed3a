//! Files as HR suite and payroll software exchange them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files by their path in a folder, with `/`.
#[derive(Clone, Default)]
pub struct Tree(pub BTreeMap<String, Vec<u8>>);

/// Where two trees part.
#[derive(Debug)]
pub struct Difference(#[expect(dead_code, reason = "read by Debug, in the message of a failed test")] Vec<String>);

impl Tree {
    pub fn with(mut self, path: &str, contents: impl Into<Vec<u8>>) -> Self {
        self.0.insert(path.to_owned(), contents.into());
        self
    }

    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The same files in a folder.
    pub fn below(self, folder: &str) -> Self {
        Self(self.0.into_iter().map(|(path, contents)| (format!("{folder}/{path}"), contents)).collect())
    }

    /// Writes them into a folder of the disk.
    pub fn write(&self, folder: &Path) {
        for (path, contents) in &self.0 {
            let file = folder.join(path);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
            std::fs::write(file, contents).expect("a file");
        }
    }

    /// Reads all files of a folder of the disk.
    pub fn read(folder: &Path) -> Self {
        let read = |path: String| {
            let contents = std::fs::read(folder.join(&path)).expect("a readable file");
            (path, contents)
        };
        Self(Self::read_names(folder).into_iter().map(read).collect())
    }

    /// The paths of all files of a folder of the disk, in order.
    pub fn read_names(folder: &Path) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(below) = folders.pop() {
            for entry in std::fs::read_dir(folder.join(&below)).expect("a readable folder") {
                let entry = entry.expect("a readable entry");
                let path = below.join(entry.file_name());
                if entry.file_type().expect("a type").is_dir() {
                    folders.push(path);
                } else {
                    names.insert(path.to_str().expect("a name in UTF-8").to_owned());
                }
            }
        }
        names
    }
}

/// How `found` differs from `expected`, told by names and lengths, never by megabytes of contents.
pub fn difference(expected: &Tree, found: &Tree) -> Option<Difference> {
    let mut all = Vec::new();
    for (path, contents) in &expected.0 {
        match found.0.get(path) {
            None => all.push(format!("missing: {path:?}")),
            Some(other) if other != contents => {
                let at = contents.iter().zip(other).take_while(|(a, b)| a == b).count();
                all.push(format!("{path:?}: {} bytes became {}, alike up to {at}", contents.len(), other.len()));
            }
            Some(_) => {}
        }
    }
    all.extend(found.0.keys().filter(|path| !expected.0.contains_key(*path)).map(|path| format!("new: {path:?}")));
    (!all.is_empty()).then(|| {
        all.truncate(10);
        Difference(all)
    })
}

/// `length` bytes that repeat nowhere nearby, so that a lost, doubled or moved block shows.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let block: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(8 * 1024)
    .flatten()
    .collect();
    let mut bytes = Vec::with_capacity(length + block.len());
    let mut number: u64 = 0;
    while bytes.len() < length {
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&block);
        number += 1;
    }
    bytes.truncate(length);
    bytes
}

/// So many files of a few hundred bytes.
pub fn small_files(count: usize) -> Tree {
    let file = |number: usize| {
        let text = format!("matricule;{number:05}\r\nnet;{}\r\n", 1_500 + number * 7 % 3_000);
        (format!("bulletin-{number:05}.txt"), text.repeat(1 + number % 9).into_bytes())
    };
    Tree((0..count).map(file).collect())
}

/// One exchange: absences of 250 employees as payroll software writes them (semicolons, Windows-1252, CRLF), a user
/// import (UTF-8 with a byte order mark), an empty file, accents in names of files and folders.
pub fn payroll_exchange() -> Tree {
    const FIRST: [&str; 10] =
        ["Zoé", "François", "Anaïs", "Jérôme", "Chloë", "Léa", "Noël", "Maëlys", "Benoît", "Inès"];
    const LAST: [&str; 5] = ["Lefèvre", "Dœuf", "Garçon", "Müller", "D’Août"];
    const REASONS: [&str; 4] = ["Congés payés", "RTT", "Arrêt maladie", "Événement familial"];
    let mut absences = String::from("Matricule;Nom;Prénom;Début;Fin;Motif;Durée (jours);Coût (€)\r\n");
    let mut users = String::from("\u{feff}login,nom,prenom,courriel\n");
    for employee in 0..250 {
        let (first, last) = (FIRST[employee % 10], LAST[employee % 5]);
        let (day, reason) = (1 + employee % 27, REASONS[employee % 4]);
        absences.push_str(&format!(
            "{employee:06};{last};{first};{day:02}/08/2026;{:02}/08/2026;{reason};1,5;{},00\r\n",
            day + 1,
            100 + employee
        ));
        users.push_str(&format!("u{employee:04},{last},{first},u{employee:04}@exemple.fr\n"));
    }
    let (absences, _, lossy) = encoding_rs::WINDOWS_1252.encode(&absences);
    assert!(!lossy, "the export can be said in Windows-1252");
    Tree::default()
        .with("Congés d'été/Absences août 2026.csv", absences)
        .with("import/utilisateurs.csv", users)
        .with("Éléments variables/Œuvre à créer n°1.txt", "à vérifier\r\n")
        .with("vide.csv", "")
}
