//! What each right allows, and that nothing else is done: every operation under every right alone and under all but
//! that one, looking at the disk afterwards.

use super::*;

/// What can be asked of a folder in which `file` and the empty folder `folder` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Stat,
    List,
    Read,
    Upload,
    UploadOver,
    Edit,
    Resize,
    RemoveFile,
    RemoveFolder,
    MakeFolder,
    Rename,
    RenameOver,
    RenameAway,
    SetTimes,
}

impl Asked {
    const ALL: [Self; 14] = [
        Self::Stat,
        Self::List,
        Self::Read,
        Self::Upload,
        Self::UploadOver,
        Self::Edit,
        Self::Resize,
        Self::RemoveFile,
        Self::RemoveFolder,
        Self::MakeFolder,
        Self::Rename,
        Self::RenameOver,
        Self::RenameAway,
        Self::SetTimes,
    ];

    /// The rights of which one is needed, and of these for each of the groups.
    fn needs(self) -> &'static [&'static [Right]] {
        match self {
            Self::Stat => &[&[Right::List, Right::Read]],
            Self::List => &[&[Right::List]],
            Self::Read => &[&[Right::Read]],
            Self::Upload => &[&[Right::Write]],
            Self::UploadOver | Self::Edit | Self::Resize => &[&[Right::Overwrite]],
            Self::RemoveFile | Self::RemoveFolder => &[&[Right::Delete]],
            Self::MakeFolder => &[&[Right::MakeFolder]],
            Self::Rename | Self::RenameAway => &[&[Right::Rename]],
            Self::RenameOver => &[&[Right::Rename], &[Right::Overwrite]],
            Self::SetTimes => &[&[Right::Write, Right::Overwrite]],
        }
    }

    fn is_allowed(self, rights: Rights) -> bool {
        self.needs().iter().all(|group| group.iter().any(|right| rights.allows(*right)))
    }

    /// What the disk holds afterwards when it was done, in the form of [`on_disk`].
    fn done(self) -> &'static str {
        match self {
            Self::Stat | Self::List | Self::Read => UNTOUCHED,
            Self::Upload => "file=content folder/ new=NEW other=else | ",
            Self::UploadOver => "file=NEW folder/ other=else | ",
            Self::Edit => "file=NEWtent folder/ other=else | ",
            Self::Resize => "file=con folder/ other=else | ",
            Self::RemoveFile => "folder/ other=else | ",
            Self::RemoveFolder => "file=content other=else | ",
            Self::MakeFolder => "file=content folder/ made/ other=else | ",
            Self::Rename => "folder/ new=content other=else | ",
            Self::RenameOver => "folder/ other=content | ",
            Self::RenameAway => "folder/ other=else | new=content",
            Self::SetTimes => "file=content@1000 folder/ other=else | ",
        }
    }

    async fn ask(self, tree: &SessionTree) -> Result<(), VfsError> {
        let file = path("/x/file");
        match self {
            Self::Stat => tree.stat(&file).await.map(|_| ()),
            Self::List => names(tree.list(&path("/x")).await).await.map(|_| ()),
            Self::Read => get(tree, "/x/file").await.map(|_| ()),
            Self::Upload => put(tree, "/x/new", "NEW").await.map(|_| ()),
            Self::UploadOver => put(tree, "/x/file", "NEW").await.map(|_| ()),
            Self::Edit => {
                let upload = tree.open_write(&file, WriteOptions::default()).await?;
                upload.write_at(0, b"NEW")?;
                upload.publish().await.map(|_| ())
            }
            Self::Resize => tree.set_size(&file, 3).await,
            Self::RemoveFile => tree.remove_file(&file).await,
            Self::RemoveFolder => tree.remove_folder(&path("/x/folder")).await,
            Self::MakeFolder => tree.make_folder(&path("/x/made")).await,
            Self::Rename => tree.rename(&file, &path("/x/new"), Replace::Refuse).await,
            Self::RenameOver => tree.rename(&file, &path("/x/other"), Replace::Allow).await,
            Self::RenameAway => tree.rename(&file, &path("/free/new"), Replace::Refuse).await,
            Self::SetTimes => tree.set_times(&file, Some(Timestamp::from_seconds(1_000)), None).await,
        }
    }
}

const UNTOUCHED: &str = "file=content folder/ other=else | ";

/// The folder under test, then the other one: names with contents, and a time that a test set.
fn on_disk(place: &Place) -> String {
    let folder = |at: &str| {
        let describe = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                return format!("{name}/");
            }
            let modified = std::os::unix::fs::MetadataExt::mtime(&entry.metadata().unwrap());
            let time = if modified == 1_000 { "@1000" } else { "" };
            format!("{name}={}{time}", std::fs::read_to_string(entry.path()).unwrap())
        };
        let mut entries: Vec<String> = std::fs::read_dir(place.disk(at)).unwrap().map(describe).collect();
        entries.sort();
        entries.join(" ")
    };
    format!("{} | {}", folder("/x"), folder("/free"))
}

async fn try_under(rights: Rights, asked: Asked) {
    let place = Place::with(&[("/x", rights), ("/free", Rights::all())]);
    let tree = place.login().await;
    std::fs::write(place.disk("/x/file"), "content").unwrap();
    std::fs::write(place.disk("/x/other"), "else").unwrap();
    std::fs::create_dir(place.disk("/x/folder")).unwrap();
    let result = asked.ask(&tree).await;
    let case = format!("{asked:?} with {rights:?}: {result:?}");
    // In a folder where nothing is seen, what is there is told apart from what is not by no answer about it.
    let expected = match asked {
        Asked::List if rights.is_write_only() => "Ok",
        Asked::Stat | Asked::Read | Asked::SetTimes if rights.is_write_only() => "NotFound",
        _ if asked.is_allowed(rights) => "Ok",
        _ => "PermissionDenied",
    };
    assert_eq!(outcome(&result), expected, "{case}");
    let expected = if result.is_ok() && asked.is_allowed(rights) { asked.done() } else { UNTOUCHED };
    assert_eq!(on_disk(&place), expected, "{case}");
    assert!(place.staging().await.is_empty(), "{case}");
}

#[tokio::test]
async fn each_right_alone_allows_what_it_says_and_nothing_else() {
    for asked in Asked::ALL {
        try_under(Rights::none(), asked).await;
        for right in Right::ALL {
            try_under(Rights::none().with(right), asked).await;
        }
    }
}

#[tokio::test]
async fn all_rights_but_one_forbid_what_that_one_allows() {
    for asked in Asked::ALL {
        try_under(Rights::all(), asked).await;
        for right in Right::ALL {
            try_under(Rights::all().without(right), asked).await;
        }
    }
}

#[tokio::test]
async fn the_ready_sets_hold_over_every_operation() {
    for asked in Asked::ALL {
        for set in ReadySet::ALL {
            try_under(set.rights(), asked).await;
        }
    }
}

#[tokio::test]
async fn a_rename_into_another_folder_follows_that_ones_rights_too() {
    let rename = async |target: Rights, replace, to: &str| {
        let place = Place::with(&[("/a", Rights::all()), ("/b", target)]);
        let tree = place.login().await;
        std::fs::write(place.disk("/a/file"), "moved").unwrap();
        std::fs::write(place.disk("/b/there"), "there").unwrap();
        let result = tree.rename(&path("/a/file"), &path(to), replace).await;
        let moved = place.content("/a/file").is_none() && place.content(to).as_deref() == Some("moved");
        assert_eq!(result.is_ok(), moved);
        outcome(&result)
    };
    let (write, overwrite) = (Rights::none().with(Right::Write), Rights::none().with(Right::Overwrite));
    assert_eq!(rename(write, Replace::Refuse, "/b/new").await, "Ok");
    assert_eq!(rename(Rights::all().without(Right::Write), Replace::Refuse, "/b/new").await, "PermissionDenied");
    assert_eq!(rename(write, Replace::Allow, "/b/there").await, "PermissionDenied");
    assert_eq!(rename(overwrite, Replace::Allow, "/b/there").await, "PermissionDenied");
    assert_eq!(rename(Rights::all(), Replace::Allow, "/b/there").await, "Ok");
    assert_eq!(rename(Rights::all(), Replace::Refuse, "/b/there").await, "AlreadyExists");
}

#[tokio::test]
async fn folder_roots_and_ancestors_are_fixed() {
    let place = Place::with(&[("/d1/d2", Rights::all()), ("/d1/d2/sub/inner", Rights::all())]);
    let tree = place.login().await;
    put(&tree, "/d1/d2/file", "x").await.unwrap();
    for at in ["/", "/d1", "/d1/d2", "/d1/d2/sub", "/d1/d2/sub/inner"] {
        let at = path(at);
        assert_eq!(tree.stat(&at).await.unwrap().kind, FileKind::Folder, "{at}");
        assert_eq!(outcome(&tree.remove_folder(&at).await), "PermissionDenied", "{at}");
        assert_eq!(outcome(&tree.remove_file(&at).await), "PermissionDenied", "{at}");
        assert_eq!(outcome(&tree.rename(&at, &path("/d1/d2/new"), Replace::Allow).await), "PermissionDenied", "{at}");
        let over = tree.rename(&path("/d1/d2/file"), &at, Replace::Allow).await;
        assert_eq!(outcome(&over), "PermissionDenied", "{at}");
        assert_eq!(outcome(&tree.make_folder(&at).await), "AlreadyExists", "{at}");
        assert_eq!(outcome(&tree.open_read(&at).await), "IsAFolder", "{at}");
    }
    for at in ["/new", "/d1/new"] {
        assert_eq!(outcome(&tree.make_folder(&path(at)).await), "PermissionDenied", "{at}");
        assert_eq!(outcome(&tree.stat(&path(at)).await), "NotFound", "{at}");
    }
    assert_eq!(names(tree.list(&path("/")).await).await.unwrap(), "d1/");
    assert_eq!(names(tree.list(&path("/d1")).await).await.unwrap(), "d2/");
    assert_eq!(names(tree.list(&path("/d1/d2")).await).await.unwrap(), "file sub/");
    let ancestor = tree.stat(&path("/d1")).await.unwrap();
    assert_eq!(ancestor.rights, Rights::none().with(Right::List));
    assert_ne!(ancestor.unique, tree.stat(&path("/")).await.unwrap().unique);
}

#[tokio::test]
async fn an_inner_folder_has_its_own_rights() {
    let place = Place::with(&[("/a", ReadySet::DropBox.rights()), ("/a/b/c", ReadySet::ReadWrite.rights())]);
    let tree = place.login().await;
    put(&tree, "/a/dropped", "x").await.unwrap();
    put(&tree, "/a/b/c/file", "x").await.unwrap();
    assert_eq!(names(tree.list(&path("/a")).await).await.unwrap(), "b/");
    assert_eq!(names(tree.list(&path("/a/b")).await).await.unwrap(), "c/");
    assert_eq!(names(tree.list(&path("/a/b/c")).await).await.unwrap(), "file");
    assert_eq!(get(&tree, "/a/b/c/file").await.unwrap(), "x");
}

#[tokio::test]
async fn a_drop_box_shows_only_what_its_login_sends() {
    let place = Place::with(&[("/in", ReadySet::DropBox.rights())]);
    let tree = place.login().await;
    std::fs::write(place.disk("/in/theirs"), "x").unwrap();
    assert_eq!(names(tree.list(&path("/in")).await).await.unwrap(), "");
    assert_eq!(tree.stat(&path("/in")).await.unwrap().kind, FileKind::Folder);
    assert_eq!(outcome(&tree.stat(&path("/in/theirs")).await), "NotFound");
    assert_eq!(outcome(&tree.open_read(&path("/in/theirs")).await), "NotFound");
    assert_eq!(outcome(&put(&tree, "/in/theirs", "y").await), "PermissionDenied");
    let exclusive = WriteOptions { exclusive: true, ..START_NEW };
    assert_eq!(outcome(&tree.open_write(&path("/in/theirs"), exclusive).await), "PermissionDenied");

    put_cut(&tree, "/in/mine", "ab").await;
    assert_eq!(tree.stat(&path("/in/mine")).await.unwrap().size, 2);
    assert_eq!(names(tree.list(&path("/in")).await).await.unwrap(), "");
    let upload = tree.open_write(&path("/in/mine"), CONTINUE).await.unwrap();
    upload.append(b"c").unwrap();
    upload.publish().await.unwrap();
    let stat = tree.stat(&path("/in/mine")).await.unwrap();
    assert_eq!((stat.size, stat.incomplete), (3, false));
    assert_eq!(outcome(&tree.open_read(&path("/in/mine")).await), "PermissionDenied");
    tree.set_times(&path("/in/mine"), Some(Timestamp::from_seconds(5)), None).await.unwrap();
    assert_eq!(outcome(&put(&tree, "/in/mine", "again").await), "PermissionDenied");
    assert_eq!(place.content("/in/mine").unwrap(), "abc");

    place.clock.advance(Duration::from_secs(601));
    assert_eq!(outcome(&tree.stat(&path("/in/mine")).await), "NotFound");
}

#[tokio::test]
async fn whoever_hands_in_unseen_can_enter_the_folders_that_it_may_make() {
    let rights = ReadySet::DropBox.rights().with(Right::MakeFolder);
    let place = Place::with(&[("/in", rights)]);
    let tree = place.login().await;
    tree.make_folder(&path("/in/mai")).await.unwrap();
    assert_eq!(tree.stat(&path("/in/mai")).await.unwrap().kind, FileKind::Folder);
    assert_eq!(names(tree.list(&path("/in/mai")).await).await.unwrap(), "");
    put(&tree, "/in/mai/a", "x").await.unwrap();
    std::fs::write(place.disk("/in/mai/theirs"), "x").unwrap();
    assert_eq!(outcome(&tree.stat(&path("/in/mai/theirs")).await), "NotFound");

    let place = Place::with(&[("/in", ReadySet::DropBox.rights().without(Right::MakeFolder))]);
    let tree = place.login().await;
    std::fs::create_dir(place.disk("/in/mai")).unwrap();
    assert_eq!(outcome(&tree.stat(&path("/in/mai")).await), "NotFound");
}

#[tokio::test]
async fn reading_through_a_handle_needs_the_right_to_read() {
    let place = Place::with(&[("/in", Rights::all().without(Right::Read))]);
    let tree = place.login().await;
    let options = WriteOptions { read: true, ..START_NEW };
    assert_eq!(outcome(&tree.open_write(&path("/in/a"), options).await), "PermissionDenied");
}

#[tokio::test]
async fn renames_follow_their_rules() {
    let place = Place::new();
    let tree = place.login().await;
    put(&tree, "/in/a", "a").await.unwrap();
    put(&tree, "/in/b", "b").await.unwrap();
    tree.make_folder(&path("/in/f")).await.unwrap();
    for (from, to, replace, expected) in [
        ("/in/a", "/in/a", Replace::Refuse, "Ok"),
        ("/in/no", "/in/no", Replace::Refuse, "NotFound"),
        ("/in/no", "/in/x", Replace::Allow, "NotFound"),
        ("/in/a", "/in/b", Replace::Refuse, "AlreadyExists"),
        ("/in/a", "/in/f", Replace::Allow, "IsAFolder"),
        ("/in/f", "/in/a", Replace::Allow, "NotAFolder"),
        ("/in/f", "/in/f/g", Replace::Allow, "PermissionDenied"),
        ("/in/a", "/in/no/x", Replace::Refuse, "NotFound"),
        ("/in/a", "/out", Replace::Refuse, "PermissionDenied"),
        ("/in/f", "/in/g", Replace::Refuse, "Ok"),
        ("/in/a", "/in/b", Replace::Allow, "Ok"),
    ] {
        let result = tree.rename(&path(from), &path(to), replace).await;
        assert_eq!(outcome(&result), expected, "{from} to {to} {replace:?}");
    }
    assert_eq!(place.content("/in/b").unwrap(), "a");
    assert_eq!(names(tree.list(&path("/in")).await).await.unwrap(), "b g/");
}

#[tokio::test]
async fn a_rename_onto_an_incomplete_upload_shows_what_was_renamed() {
    let place = Place::new();
    let tree = place.login().await;
    put_cut(&tree, "/in/final", "old attempt").await;
    put(&tree, "/in/final.filepart", "whole").await.unwrap();
    let rename = async |replace| tree.rename(&path("/in/final.filepart"), &path("/in/final"), replace).await;
    assert_eq!(outcome(&rename(Replace::Refuse).await), "AlreadyExists");
    rename(Replace::Allow).await.unwrap();
    assert_eq!(get(&tree, "/in/final").await.unwrap(), "whole");
    assert!(place.staging().await.is_empty());
}
