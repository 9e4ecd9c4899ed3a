//! What other programs are told of, by the words that they filter by.

use super::transfer::words;

words! {
    /// The kind of an event.
    EventKind, "a kind of event, such as \"file.uploaded\"" {
        /// A file became visible, whole; also by the rename from a client's temporary name to its final one.
        FileUploaded = "file.uploaded",
        /// All of a file (or of the part that was asked for) went out.
        FileDownloaded = "file.downloaded",
        /// A file was removed.
        FileDeleted = "file.deleted",
        /// A file or a folder has another name now.
        FileRenamed = "file.renamed",
        /// An upload or a download ended before its end.
        TransferFailed = "transfer.failed",
        SignInSucceeded = "sign_in.succeeded",
        /// Of an account that is there; attempts with other logins belong to no instance.
        SignInRefused = "sign_in.refused",
        AccountCreated = "account.created",
        AccountChanged = "account.changed",
        AccountRemoved = "account.removed",
        CredentialCreated = "credential.created",
        CredentialChanged = "credential.changed",
        CredentialRemoved = "credential.removed",
        FolderCreated = "folder.created",
        FolderChanged = "folder.changed",
        FolderRemoved = "folder.removed",
        InstanceCreated = "instance.created",
        InstanceChanged = "instance.changed",
        InstanceRemoved = "instance.removed",
    }
}
