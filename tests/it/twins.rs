//! Two uploads of one path at a time, by every two ways in: nothing mixes, the last orderly end wins, and of those that
//! were cut the latest is what its login finds.

use std::io::Read;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::ftp::{Cut, Data, Ftp, Mode};
use crate::support::{Account, Answer, FtpServer, Gateway, NewAccount, Session, eventually, flags};

const FOLDER: &str = "/depot";
const PATH: &str = "/depot/paie.csv";
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Sftp,
    Ftps,
    Ftpes,
    Api,
}

impl Way {
    const ALL: [Self; 4] = [Self::Sftp, Self::Ftps, Self::Ftpes, Self::Api];
    const OF_LOGINS: [Self; 3] = [Self::Sftp, Self::Ftps, Self::Ftpes];
}

/// A body that comes piece by piece.
struct Pieces(mpsc::Receiver<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Ok(piece) = self.0.recv() else { return Ok(0) };
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// An upload of which the first half was sent.
enum Upload {
    Sftp { session: Session, handle: serde_json::Value },
    Ftp(Box<(Ftp, Data)>),
    Api { pieces: mpsc::Sender<Vec<u8>>, answer: JoinHandle<Answer> },
}

struct Place {
    gateway: &'static Gateway,
    account: Account,
}

impl Place {
    fn new() -> Self {
        let gateway = Gateway::shared();
        Self { gateway, account: NewAccount::new().folder(FOLDER, "read-write").make(gateway) }
    }

    /// How many uploads are staged.
    fn staged(&self) -> usize {
        let staging = self.account.on_disk(self.gateway, "/").join("../../.staging").join(&self.account.id);
        let Ok(entries) = std::fs::read_dir(staging) else { return 0 };
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|kind| kind == "data")).count()
    }

    /// Begins an upload and sends its first half.
    fn begin(&self, way: Way, half: &[u8]) -> Upload {
        let before = self.staged();
        let upload = match way {
            Way::Sftp => {
                let mut session = self.account.session();
                let handle = session.open_file(PATH, flags::UPLOAD).value();
                assert!(session.write(&handle, 0, half).is_done());
                Upload::Sftp { session, handle }
            }
            Way::Ftps | Way::Ftpes => {
                let mode = if way == Way::Ftps { Mode::Ftps } else { Mode::Ftpes };
                let mut control = FtpServer::of(self.gateway).sign_in(mode, &self.account);
                let mut data = control.begin(&format!("STOR {PATH}"));
                data.send(half);
                Upload::Ftp(Box::new((control, data)))
            }
            Way::Api => {
                let (pieces, body) = mpsc::channel();
                pieces.send(half.to_vec()).expect("a body that is read");
                let (api, account) = (self.account.api.clone(), self.account.id.clone());
                let folder = self.account.folders[0]["id"].as_str().expect("an id").to_owned();
                let send = move || api.upload_from(&account, &folder, "paie.csv", Pieces(body));
                Upload::Api { pieces, answer: std::thread::spawn(send) }
            }
        };
        eventually(PATIENCE, "the upload is staged", || (self.staged() > before).then_some(()));
        upload
    }

    fn published(&self) -> Option<Vec<u8>> {
        self.account.api_get(FOLDER, "paie.csv")
    }

    /// How many transfers failed.
    fn failed(&self) -> usize {
        let path = format!("/accounts/{}/transfers?outcome=failed", self.account.id);
        self.account.api.get(&path).ok()["items"].as_array().expect("items").len()
    }
}

impl Upload {
    /// Sends the other half and ends in order.
    fn finish(self, offset: usize, half: &[u8]) {
        match self {
            Self::Sftp { mut session, handle } => {
                assert!(session.write(&handle, offset as u64, half).is_done());
                assert!(session.close(&handle).is_done());
            }
            Self::Ftp(connections) => {
                let (mut control, mut data) = *connections;
                data.send(half);
                data.finish();
                control.expect_reply(226);
            }
            Self::Api { pieces, answer } => {
                pieces.send(half.to_vec()).expect("a body that is read");
                drop(pieces);
                let answer = answer.join().expect("an answer");
                assert!((200..300).contains(&answer.status), "{}", answer.status);
            }
        }
    }

    fn cut(self) {
        match self {
            Self::Sftp { session, .. } => session.vanish(),
            Self::Ftp(connections) => {
                let (control, data) = *connections;
                drop(data.cut(Cut::Reset));
                control.cut(Cut::Reset);
            }
            Self::Api { .. } => unreachable!("an API's upload that is cut leaves nothing to look at"),
        }
    }
}

#[test]
fn the_last_orderly_end_wins_and_nothing_mixes() {
    let halves = |letter: u8, length: usize| (vec![letter; length], vec![letter.to_ascii_uppercase(); length + 1]);
    let place = Place::new();
    for first in Way::ALL {
        for second in Way::ALL {
            for in_order in [true, false] {
                let case =
                    format!("{first:?}, then {second:?}, which ends {}", if in_order { "last" } else { "first" });
                let (a, b) = (halves(b'a', 700), halves(b'b', 500));
                let (one, two) = (place.begin(first, &a.0), place.begin(second, &b.0));
                let ends = |upload: Upload, (begin, end): &(Vec<u8>, Vec<u8>)| {
                    upload.finish(begin.len(), end);
                    assert_eq!(place.published(), Some([begin.as_slice(), end].concat()), "{case}");
                };
                if in_order {
                    ends(one, &a);
                    ends(two, &b);
                } else {
                    ends(two, &b);
                    ends(one, &a);
                }
            }
        }
    }
    assert_eq!(place.failed(), 0);
}

#[test]
fn of_two_that_are_cut_the_latest_is_the_incomplete_upload() {
    for first in Way::OF_LOGINS {
        for second in Way::OF_LOGINS {
            let case = format!("{first:?}, then {second:?}, which is cut first");
            let place = Place::new();
            place.account.api_put(FOLDER, "paie.csv", b"ancien");
            let (one, two) = (place.begin(first, &[b'a'; 700]), place.begin(second, &[b'b'; 500]));
            for (upload, cut) in [(two, 1), (one, 2)] {
                upload.cut();
                eventually(PATIENCE, "it counts as failed", || (place.failed() == cut).then_some(()));
            }
            assert_eq!(place.published().as_deref(), Some(&b"ancien"[..]), "{case}");
            let seen = place.account.session().stat(PATH);
            assert_eq!(seen.value()["size"], 700, "{case}");
            assert_eq!(place.staged(), 1, "{case}: the other one gave way");
        }
    }
}
