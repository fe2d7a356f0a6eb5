//! The filter language as a JSON Schema, for the OpenAPI document.

use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// Stands for a filter in the document.
pub struct WhereSchema;

fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).description(Some(about))
}

fn whole(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .minimum(Some(0))
        .maximum(Some(100_000))
        .description(Some(about))
}

fn list(of: impl Into<RefOr<Schema>>) -> ArrayBuilder {
    ArrayBuilder::new().items(of.into())
}

fn object(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Object))
        .description(Some(about))
        .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(false)))
}

impl PartialSchema for WhereSchema {
    fn schema() -> RefOr<Schema> {
        let filter = || RefOr::Ref(Ref::from_schema_name("Where"));
        let value = || {
            OneOfBuilder::new()
                .item(text("a code, a text or a date"))
                .item(ObjectBuilder::new().schema_type(SchemaType::Type(Type::Number)))
        };
        let field = |test: &str, of: RefOr<Schema>| {
            object("A field of the voter.")
                .property("field", text("party, gender, race, ethnicity, status, located, zip, city, age, birth_year, registered_on, party_since, phone"))
                .property(test, of)
                .required("field")
                .required(test)
        };
        let pair = || {
            RefOr::T(Schema::Array(
                list(Schema::OneOf(value().build())).min_items(Some(2)).max_items(Some(2)).build(),
            ))
        };
        let district = object("In one of the districts; an id may name a vintage: CO-CD-07@2022.")
            .property(
                "kind",
                text("state, county, congressional, state_senate, state_house, precinct, media_market"),
            )
            .property("id", text("District id"))
            .property("in", list(text("District id")))
            .required("kind");
        let voted = object("Took part in at least (1 by default) and at most so many of the elections.")
            .property("in", list(text("Election id: 2020-11-03/general")))
            .property("last", whole("The newest so many elections"))
            .property("type", text("Type of the newest elections: general"))
            .property("at_least", whole("At least so many"))
            .property("at_most", whole("At most so many"));
        let score = object("A model's score, both ends included.")
            .property("model", text("Model"))
            .property("between", pair())
            .required("model")
            .required("between");
        let contact =
            object("Has a contact with one of these results, within so many days before the release.")
                .property("result", list(text("canvassed, not_home, refused, ...")))
                .property("within_days", whole("Days"));
        let ballot = object("Has a ballot for the election that came back and was not refused, as of this moment; or one in these states.")
            .property("election", text("Election id: 2026-11-03/general"))
            .property("status", list(text("accepted, pending, rejected, cancelled")))
            .required("election");
        let experiment = object("Drawn for an experiment, or for one arm of it.")
            .property("id", text("Experiment id"))
            .property("arm", text("control or treatment"))
            .required("id");
        let within = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Object))
            .description(Some("The coordinate lies in this GeoJSON geometry."));
        let named = |name: &str, of: RefOr<Schema>| object("").property(name, of).required(name).build();
        let schema = OneOfBuilder::new()
            .description(Some(
                "A filter: one of all, any, not, or a condition. A condition on something that is not known of a voter does not hold, and `not` of it holds.",
            ))
            .item(named("all", RefOr::T(Schema::Array(list(filter()).build()))))
            .item(named("any", RefOr::T(Schema::Array(list(filter()).build()))))
            .item(named("not", filter()))
            .item(field("eq", RefOr::T(Schema::OneOf(value().build()))))
            .item(field("in", RefOr::T(Schema::Array(list(Schema::OneOf(value().build())).build()))))
            .item(field("between", pair()))
            .item(field("is_null", RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean)).build()))))
            .item(named("district", RefOr::T(Schema::Object(district.build()))))
            .item(named("voted", RefOr::T(Schema::Object(voted.build()))))
            .item(named("score", RefOr::T(Schema::Object(score.build()))))
            .item(named("contact", RefOr::T(Schema::Object(contact.build()))))
            .item(named("ballot", RefOr::T(Schema::Object(ballot.build()))))
            .item(named("experiment", RefOr::T(Schema::Object(experiment.build()))))
            .item(named("within", RefOr::T(Schema::Object(within.build()))));
        RefOr::T(Schema::OneOf(schema.build()))
    }
}

impl ToSchema for WhereSchema {
    fn name() -> std::borrow::Cow<'static, str> {
        "Where".into()
    }
}
