#include "Avatar3DLiveLinkSourceFactory.h"

#include "Interfaces/IPv4/IPv4Endpoint.h"
#include "Widgets/Input/SButton.h"
#include "Widgets/Input/SEditableTextBox.h"
#include "Widgets/SBoxPanel.h"

#include "Avatar3DLiveLinkNames.h"
#include "Avatar3DLiveLinkSource.h"
#include "Avatar3DLog.h"

#define LOCTEXT_NAMESPACE "Avatar3DLiveLinkSourceFactory"

FText UAvatar3DLiveLinkSourceFactory::GetSourceDisplayName() const
{
	return LOCTEXT("DisplayName", "Avatar3D");
}

FText UAvatar3DLiveLinkSourceFactory::GetSourceTooltip() const
{
	return LOCTEXT("Tooltip", "Heads that `avatar3d stream --to ue://HOST:PORT` moves");
}

TSharedPtr<SWidget> UAvatar3DLiveLinkSourceFactory::BuildCreationPanel(FOnLiveLinkSourceCreated OnLiveLinkSourceCreated) const
{
	const TSharedRef<SEditableTextBox> Address = SNew(SEditableTextBox)
		.Text(FText::FromString(Avatar3DLiveLink::DefaultEndpoint))
		.ToolTipText(LOCTEXT("AddressTooltip", "Where to listen: 127.0.0.1 for senders on this machine alone, 0.0.0.0 for others too"));
	const TWeakObjectPtr<const UAvatar3DLiveLinkSourceFactory> WeakThis(this);
	return SNew(SHorizontalBox)
		+ SHorizontalBox::Slot()
		.FillWidth(1.0f)
		[
			Address
		]
		+ SHorizontalBox::Slot()
		.AutoWidth()
		[
			SNew(SButton)
			.Text(LOCTEXT("Add", "Add"))
			.OnClicked_Lambda([WeakThis, Address, OnLiveLinkSourceCreated]()
			{
				const FString Connection = Address->GetText().ToString();
				TSharedPtr<ILiveLinkSource> Source;
				if (WeakThis.IsValid())
				{
					Source = WeakThis->CreateSource(Connection);
				}
				if (Source.IsValid())
				{
					OnLiveLinkSourceCreated.ExecuteIfBound(Source, Connection);
				}
				return FReply::Handled();
			})
		];
}

TSharedPtr<ILiveLinkSource> UAvatar3DLiveLinkSourceFactory::CreateSource(const FString& ConnectionString) const
{
	FIPv4Endpoint Endpoint;
	if (!FIPv4Endpoint::Parse(ConnectionString.IsEmpty() ? FString(Avatar3DLiveLink::DefaultEndpoint) : ConnectionString, Endpoint))
	{
		UE_LOG(LogAvatar3D, Error, TEXT("%s is no address; write one such as %s"), *ConnectionString, Avatar3DLiveLink::DefaultEndpoint);
		return nullptr;
	}
	return MakeShared<FAvatar3DLiveLinkSource>(Endpoint);
}

#undef LOCTEXT_NAMESPACE
