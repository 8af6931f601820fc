//! Of several faults the first in the contract's order is reported (R58): requests that lose one fault after the other.

use faceclique::aci::{Code, Role};

use crate::demands;
use crate::masked::masked;
use crate::roles::loopback_has;
use crate::world::{World, get, upload};

/// A request with a header.
fn from(origin: &str, target: &str) -> String {
    get(target).replace("Connection:", &format!("Origin: {origin}\r\nConnection:"))
}

/// A server whose queues of imports and of clusterings are full.
fn full() -> World {
    let world = World::empty(|setup| {
        setup.settings.max_queue = 1;
        setup.limits.max_input_string = 300;
    });
    for queue in ["FaceClustering", "ImportFaceDatabase"] {
        world.get(&format!("/action=QueueInfo&queuename={queue}&queueaction=pause"));
    }
    world.get("/action=FaceClustering");
    world.ask(&upload("/action=ImportFaceDatabase&database=first", "dbdata", "{}\n"));
    world
}

fn is(world: &World, request: &str, expected: Code) {
    let answer = masked(&world.ask(request));
    demands::check(request, "xml", &answer);
    let number = expected.number();
    assert!(answer.contains(&format!("<rawerrorid>0x{number:X}<")), "{request}: error {number} expected\n{answer}");
}

#[test]
fn r58_the_first_fault_of_a_request_is_reported() {
    let world = full();
    let long = "x".repeat(301);
    let evil = "https://evil.example";
    let import = "/action=ImportFaceDatabase&database=new";
    for (request, expected) in [
        (from(evil, "/action=Frobnicate&n=%zz"), Code::NotAuthorised),
        (from(evil, &format!("/action=Frobnicate&n={long}")), Code::NotAuthorised),
        (get("/action=Frobnicate&n=%zz"), Code::Undecodable),
        (get(&format!("/action=Frobnicate&n={long}")), Code::TooLarge),
        (get("/database=a&database=b"), Code::NoAction),
        (get("/action=Frobnicate&database=a&database=b"), Code::UnknownAction),
        (get("/action=GetRequestLog&database=a&database=b"), Code::NotOffered),
        (get("/action=ListFaces&maxresults=many&start=1&start=2"), Code::Missing),
        (get("/action=ListFaces&database=a&maxresults=many&start=1&start=2"), Code::ValueNotValid),
        (get("/action=NewFace&database=a%00b&identifier=a&identifier=b"), Code::Undecodable),
        (get("/action=NewFace&database=a%0Ab&identifier=a&identifier=b"), Code::NameNotValid),
        (get("/action=ListFaces&database=a&start=1&start=2"), Code::Contradiction),
        (get(&format!("{import}&dbpath=/etc/passwd&dbpath=/etc/group")), Code::Contradiction),
        (get(&format!("{import}&dbpath=/etc/passwd")), Code::PathNotAllowed),
        (get(&format!("{import}&dbpath=/srv/exports/lost.jsonl")), Code::FileNotAccessible),
        (get("/action=QueueInfo&queuename=Lost&queueaction=cancel&token=x&priority=101"), Code::ValueNotValid),
        (get("/action=QueueInfo&queuename=Lost&queueaction=cancel&token=x"), Code::UnknownQueue),
        (get("/action=QueueInfo&queuename=FaceClustering&queueaction=cancel&token=x"), Code::UnknownToken),
        (get("/action=FaceClustering&database=LFW&clusterthreshold=101"), Code::ValueNotValid),
        (get("/action=FaceClustering&database=LFW"), Code::QueueFull),
        (get("/action=FaceClustering&database=LFW&synchronous=true"), Code::QueueFull),
        (get("/action=NewFace&database=LFW"), Code::DatabaseNotFound),
    ] {
        is(&world, &request, expected);
    }
}

#[test]
fn r58_the_role_comes_behind_the_action_and_before_its_parameters() {
    let world = World::empty(|setup| setup.access = loopback_has([Role::Query]));
    is(&world, &get("/action=Frobnicate&database=%zz"), Code::Undecodable);
    is(&world, &get("/action=Frobnicate"), Code::UnknownAction);
    is(&world, &get("/action=FaceClustering&clusterthreshold=abc"), Code::NotAuthorised);
    is(&world, &get("/action=RemoveFaceDatabase"), Code::NotAuthorised);
    is(&world, &get("/action=ListFaces"), Code::Missing);
}
