//! Why two names are taken for one enterprise's, or are not, in words.

/// How a name belongs to an enterprise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The registered name 登记名称.
    Registered,
    /// Another name that it bears at the same time 第二名称、从属名称.
    Second,
    /// A short form that the register itself gives 简称.
    Short,
    /// A name that it bore before 曾用名.
    Former,
}

/// One observation about a pair of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Character by character.
    Identical,
    /// Spaces, full and half width, letters' case.
    Width,
    /// Brackets, dots, dashes, quotation marks, zeros.
    Marks,
    /// Traditional or variant characters.
    Characters,
    /// Words beside the name were left out.
    Trimmed,
    /// The region word stands elsewhere.
    RegionMoved,
    /// 省, 市, 县, 区 was left out or put in.
    RegionEnding,
    /// A greater region before the finer one was left out or put in.
    RegionOuter,
    /// A region word was left out or put in; whether the subject is registered in that region.
    RegionAbsent(bool),
    /// One name says a greater place than the other.
    RegionCoarser,
    /// The names say different places.
    RegionOther,
    /// The legal form written long or short.
    FormWriting,
    /// The legal form was left out of the enterprise's name in a branch's.
    FormAbsentInBranch,
    /// The legal form was left out.
    FormAbsent,
    /// Another legal form.
    FormOther,
    /// By another name of the enterprise.
    Other(Kind),
    /// What the asked-for cell gives as another name.
    Given(Kind),
    /// The asked-for name is a branch's, the subject is the enterprise.
    ParentOfBranch,
    /// The asked-for name is the enterprise's, the subject a branch.
    BranchOfParent,
    /// The cell lists several parties.
    SeveralParties,
    /// So many subjects fit alike.
    SeveralSubjects(usize),
    /// The names that the cell gives lead to different subjects.
    NamesDisagree,
}

impl Reason {
    /// In English.
    pub fn en(&self) -> String {
        let text = match self {
            Self::Identical => "the names are identical",
            Self::Width => "they differ in spaces, width or case only",
            Self::Marks => "they differ in brackets or marks only",
            Self::Characters => "they differ in traditional or variant characters only",
            Self::Trimmed => "words beside the name were left out (persons, branches, notes)",
            Self::RegionMoved => "the region word stands elsewhere in the name",
            Self::RegionEnding => "the region word is written with or without its ending",
            Self::RegionOuter => "a greater region before the finer one is left out or added",
            Self::RegionAbsent(true) => {
                "a region word is left out or added, and the subject is registered in that region"
            }
            Self::RegionAbsent(false) => {
                "a region word is left out or added, and nothing tells that the subject is of that region"
            }
            Self::RegionCoarser => "one name says a greater region than the other",
            Self::RegionOther => "the names say different regions",
            Self::FormWriting => "the legal form is written long or short",
            Self::FormAbsentInBranch => "the enterprise's legal form is left out in the branch's name",
            Self::FormAbsent => "the legal form is left out",
            Self::FormOther => "the legal forms differ",
            Self::Other(Kind::Second) => "it is another name of the subject",
            Self::Other(Kind::Short) => "it is a registered short form of the subject's name",
            Self::Other(Kind::Former) => "it is a former name of the subject",
            Self::Other(Kind::Registered) => "it is the registered name",
            Self::Given(_) => "the match is by the other name that is given in brackets",
            Self::ParentOfBranch => {
                "the name is a branch's; the subject is the enterprise that keeps branches, which is not its branch"
            }
            Self::BranchOfParent => "the name is an enterprise's; the subject is a branch",
            Self::SeveralParties => "the text lists several parties",
            Self::SeveralSubjects(count) => return format!("{count} subjects fit alike"),
            Self::NamesDisagree => "the names given lead to different subjects",
        };
        text.to_owned()
    }

    /// 中文说明.
    pub fn zh(&self) -> String {
        let text = match self {
            Self::Identical => "名称完全一致",
            Self::Width => "仅空格、全半角或大小写不同",
            Self::Marks => "仅括号或符号不同",
            Self::Characters => "仅繁简或异体字不同",
            Self::Trimmed => "已略去名称以外的文字（责任人、分支机构、批注）",
            Self::RegionMoved => "行政区划在名称中的位置不同",
            Self::RegionEnding => "行政区划用语仅有无“省、市、县、区”之别",
            Self::RegionOuter => "仅多出或略去上级行政区划",
            Self::RegionAbsent(true) => "多出或略去行政区划，且主体登记在该行政区划内",
            Self::RegionAbsent(false) => "多出或略去行政区划，无法确认主体属于该行政区划",
            Self::RegionCoarser => "两个名称的行政区划层级不同",
            Self::RegionOther => "两个名称的行政区划不同",
            Self::FormWriting => "组织形式仅全称、简称之别",
            Self::FormAbsentInBranch => "分支机构名称中略去所属企业的组织形式",
            Self::FormAbsent => "略去组织形式",
            Self::FormOther => "组织形式不同",
            Self::Other(Kind::Second) => "为该主体的第二名称（从属名称）",
            Self::Other(Kind::Short) => "为该主体登记的简称",
            Self::Other(Kind::Former) => "为该主体的曾用名",
            Self::Other(Kind::Registered) => "为该主体的登记名称",
            Self::Given(_) => "按括号内所给的另一名称匹配",
            Self::ParentOfBranch => "所给为分支机构名称，该主体是其所属企业，二者不是同一主体",
            Self::BranchOfParent => "所给为企业名称，该主体是分支机构",
            Self::SeveralParties => "所给文字列有多个当事人",
            Self::SeveralSubjects(count) => return format!("有{count}个主体同样符合"),
            Self::NamesDisagree => "所给各名称指向不同主体",
        };
        text.to_owned()
    }
}
